using System.Diagnostics;
using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

/// <summary>The commands by which the pages make certificates are run, and what they make is used.</summary>
public sealed class OpenSslCommandTests
{
    [Fact]
    public async Task What_the_pages_commands_make_lets_a_client_in_and_the_operator_too()
    {
        Assert.SkipUnless(CanRunOpenSsl(), "There is no openssl of version 3 on this machine.");
        using var folder = new Folder();
        foreach (string command in (string[])[.. DocumentationTests.CommandsOf("docs/tls.md", "openssl"), .. DocumentationTests.CommandsOf("docs/security.md", "openssl")])
        {
            (int exitCode, string errors) = Run(folder.Path, command);
            Assert.True(exitCode == 0, $"{command}\n{errors}");
        }

        X509Certificate2Collection roots = [X509Certificate2.CreateFromPem(await File.ReadAllTextAsync(folder.At("root.pem"), TestContext.Current.CancellationToken))];
        var server = new TlsOptions
        {
            Certificate = TlsCertificate.FromPemFiles(folder.At("server.pem"), folder.At("server.key")),
            RequireClientCertificate = true,
            TrustedRoots = roots,
        };
        foreach ((string file, string name) in new[] { ("client", "a client"), ("operator", "the operator") })
        {
            var client = new TlsOptions
            {
                Certificate = TlsCertificate.FromPemFiles(folder.At($"{file}.pem"), folder.At($"{file}.key")),
                TrustedRoots = roots,
                TargetHost = "localhost",
            };
            await using var meeting = new TlsMeeting(server, client);
            (Connection here, Connection there) = await meeting.ConnectAsync();
            await meeting.ExchangeAsync(here);
            Assert.Equal(name, there.Tls!.PeerCertificate!.GetNameInfo(X509NameType.SimpleName, forIssuer: false));
        }
    }

    private static bool CanRunOpenSsl()
    {
        try
        {
            return Run(Path.GetTempPath(), "openssl version | grep -q '^OpenSSL 3'").ExitCode == 0;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return false; // not even a shell
        }
    }

    private static (int ExitCode, string Errors) Run(string folder, string command)
    {
        var start = new ProcessStartInfo("sh", ["-c", command]) { WorkingDirectory = folder, RedirectStandardError = true, RedirectStandardOutput = true };
        using Process process = Process.Start(start)!;
        string errors = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, errors);
    }

    private sealed class Folder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory().FullName;

        public string At(string file) => System.IO.Path.Combine(Path, file);

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
