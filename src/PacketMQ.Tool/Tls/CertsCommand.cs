using System.CommandLine;

namespace PacketMQ.Tool;

/// <summary><c>packetmq certs</c>: certificates for development.</summary>
internal static class CertsCommand
{
    /// <summary>Makes the command.</summary>
    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        var directory = new Argument<string>("DIR") { Description = "Where the files go; it is made if it does not exist." };
        var command = new Command(
            "certs",
            "Makes a root of its own, and of it a certificate for a server on this machine and one for a client, for development. Replaces no file.")
        {
            directory,
        };
        command.SetAction(parsed => Run(parsed.GetRequiredValue(directory), surroundings, parsed.GetValue(json)));
        return command;
    }

    private static int Run(string directory, Surroundings surroundings, bool json)
    {
        try
        {
            Directory.CreateDirectory(directory);
            var files = DevelopmentCertificates.Create(surroundings.TimeProvider.GetUtcNow());
            if (files.Select(file => Path.Combine(directory, file.Name)).FirstOrDefault(File.Exists) is { } existing)
                throw new CommandException(ExitCode.Failure, $"{existing} exists; nothing was written.");
            foreach (DevelopmentCertificates.PemFile file in files)
                Write(Path.Combine(directory, file.Name), file);
            foreach (DevelopmentCertificates.PemFile file in files)
            {
                string path = Path.Combine(directory, file.Name);
                surroundings.Output.WriteLine(json
                    ? JsonLine(path, file.What)
                    : $"{path}  {file.What}");
            }

            return ExitCode.Success;
        }
        catch (Exception exception) when (exception is IOException or UnauthorizedAccessException)
        {
            throw new CommandException(ExitCode.Failure, $"The certificates could not be written: {exception.Message.TrimEnd('.')}.");
        }
    }

    private static void Write(string path, DevelopmentCertificates.PemFile file)
    {
        var options = new FileStreamOptions { Mode = FileMode.CreateNew, Access = FileAccess.Write };
        if (file.IsSecret && !OperatingSystem.IsWindows())
            options.UnixCreateMode = UnixFileMode.UserRead | UnixFileMode.UserWrite; // from the first moment on
        using var writer = new StreamWriter(path, options);
        writer.WriteLine(file.Text);
    }

    private static string JsonLine(string path, string what)
    {
        using var stream = new MemoryStream();
        using (var writer = new System.Text.Json.Utf8JsonWriter(stream))
        {
            writer.WriteStartObject();
            writer.WriteString("event", "written");
            writer.WriteString("file", path);
            writer.WriteString("what", what);
            writer.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }
}
