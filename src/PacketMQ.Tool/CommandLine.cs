using System.CommandLine;
using System.CommandLine.Help;
using PacketMQ.Tool.Output;

namespace PacketMQ.Tool;

/// <summary>The commands together, and the one place where errors become a sentence and an exit code.</summary>
internal static class CommandLine
{
    private const string Description =
        "Named, typed packets over a lasting connection; byte-compatible with Python packetmq. Begin with 'packetmq demo'.";

    /// <summary>Runs the command that the arguments ask for.</summary>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, Surroundings surroundings)
    {
        // A value may begin with '@' (then it is no JSON, and the error should say so) or with '-5'.
        var parsing = new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false };
        ParseResult parsed = Create(surroundings).Parse(arguments, parsing);
        try
        {
            if (parsed.Errors.Count > 0)
                throw new CommandException(ExitCode.Usage, parsed.Errors[0].Message);
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                Output = surroundings.Output,
                Error = surroundings.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null, // Interruption does it: an interrupted command says goodbye and succeeds
            });
        }
        catch (CommandException exception)
        {
            return Fail(exception.ExitCode, exception.Message);
        }
        catch (ConnectionClosedException exception)
        {
            return Fail(ExitCode.Refused, Sentence.ForEnd(exception.CloseInfo));
        }
        catch (PacketException exception)
        {
            return Fail(ExitCode.Usage, exception.Message);
        }
        catch (Exception exception) when (exception is not OutOfMemoryException)
        {
            return Fail(ExitCode.Failure, $"The command failed: {exception.Message}");
        }

        int Fail(int exitCode, string sentence)
        {
            surroundings.Error.WriteLine(Sentence.OnOneLine(sentence));
            return exitCode;
        }
    }

    private static Command Create(Surroundings surroundings)
    {
        var json = new Option<bool>("--json")
        {
            Description = "Prints one JSON object a line, for scripts.",
            Recursive = true,
        };
        // Not a RootCommand: that one would call itself after its file.
        var root = new Command("packetmq", Description)
        {
            json,
            new HelpOption { Description = "Shows this.", Recursive = true },
            new VersionOption { Description = "Shows the version." },
            DemoCommand.Create(surroundings, json),
            ServeCommand.Create(surroundings, json),
            SendCommand.Create(surroundings, json),
            ListenCommand.Create(surroundings, json),
            BenchCommand.Create(surroundings, json),
            BenchServerCommand.Create(surroundings),
            CertsCommand.Create(surroundings, json),
        };
        root.SetAction((Func<ParseResult, int>)(_ => throw new CommandException(
            ExitCode.Usage, "No command was given: 'packetmq demo' shows what this is, 'packetmq --help' lists the commands.")));
        return root;
    }
}
