using System.Security.Cryptography.X509Certificates;
using PacketMQ.Tool.Tests.Support;

namespace PacketMQ.Tool.Tests;

public sealed class TlsTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("packetmq").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Fact]
    public async Task Development_certificates_serve_both_sides()
    {
        await MakeCertificatesAsync();
        (ToolProcess server, string address) = await ToolProcess.ServeAsync(
            "--tls-cert", In("server.pem"), "--tls-key", In("server.key"), "--client-ca", In("root.pem"));
        await using ToolProcess running = server;

        (int exitCode, string[] output, string error) = await InProcess.RunAsync(
            "send", address, "myapplication:mypacket", "1", "--expect", "1",
            "--tls", "--ca", In("root.pem"), "--cert", In("client.pem"), "--key", In("client.key"));
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal(["myapplication:myprintpacket 1"], output);

        // The server can tell whom it refuses, and the refused one learns why.
        (exitCode, _, error) = await InProcess.RunAsync("send", address, "myapplication:mypacket", "1", "--tls", "--ca", In("root.pem"));
        Assert.Equal(3, exitCode);
        Assert.Contains("reason.certificaterefused (remote)", error, StringComparison.Ordinal);
        InProcess.AssertIsOneSentence(error);
        (exitCode, _, error) = await InProcess.RunAsync("listen", address, "--tls");
        Assert.Equal(3, exitCode);
        Assert.Contains("leads to no root that is trusted here", error, StringComparison.Ordinal);
        (exitCode, _, error) = await InProcess.RunAsync("send", address, "myapplication:mypacket", "1");
        Assert.Equal(3, exitCode);
        InProcess.AssertIsOneSentence(error);
    }

    [Fact]
    public async Task What_a_server_sends_through_TLS_is_printed_by_a_listener_that_trusts_it()
    {
        await MakeCertificatesAsync();
        var made = new TaskCompletionSource<Connection>(TaskCreationOptions.RunContinuationsAsynchronously);
        (Server server, string address) = TestServer.Start(
            (_, _) => default, options: new PeerOptions { Tls = new TlsOptions { Certificate = TlsCertificate.FromPemFiles(In("server.pem"), In("server.key")) } });
        await using Server _ = server;
        server.ConnectionMade += (_, arguments) => made.TrySetResult(arguments.Connection);
        await using ToolProcess listener = ToolProcess.Start("listen", address, "--tls", "--ca", In("root.pem"));
        await listener.NextLineAsync("connected to ");

        Connection connection = await made.Task.Soon();
        Assert.NotNull(connection.Tls);
        await connection.SendAsync(TestServer.Answer, "through TLS", TestContext.Current.CancellationToken);

        Assert.Equal("test:answer \"through TLS\"", await listener.NextLineAsync());
    }

    [Fact]
    public async Task A_socket_of_the_file_system_has_no_host_so_its_server_is_named()
    {
        await MakeCertificatesAsync();
        string path = In("a.sock");
        await using ToolProcess server = ToolProcess.Start("serve", "--unix", path, "--tls-cert", In("server.pem"), "--tls-key", In("server.key"));
        await server.NextLineAsync("listening on ");

        (int exitCode, string[] output, string error) = await SendAsync("--tls-name", "localhost");
        Assert.Equal((0, ""), (exitCode, error));
        Assert.Equal(["myapplication:myprintpacket 1"], output);
        (exitCode, _, error) = await SendAsync("--tls-name", "example.org");
        Assert.Equal(3, exitCode);
        Assert.Contains("example.org", error, StringComparison.Ordinal);
        (exitCode, _, error) = await SendAsync();
        Assert.Equal(2, exitCode);
        InProcess.AssertIsOneSentence(error);
        Assert.Contains("--tls-name", error, StringComparison.Ordinal);

        Task<(int ExitCode, string[] Output, string Error)> SendAsync(params string[] more)
            => InProcess.RunAsync(["send", path, "myapplication:mypacket", "1", "--expect", "1", "--tls", "--ca", In("root.pem"), .. more]);
    }

    [Fact]
    public async Task Keys_are_for_their_owner_only_and_no_file_is_replaced()
    {
        string[] output = await MakeCertificatesAsync();
        Assert.Equal(6, output.Length);
        foreach (string name in new[] { "root", "server", "client" })
        {
            using X509Certificate2 certificate = X509Certificate2.CreateFromPemFile(In(name + ".pem"), In(name + ".key"));
            Assert.True(certificate.HasPrivateKey);
            if (!OperatingSystem.IsWindows())
                Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(In(name + ".key")));
        }

        string before = await File.ReadAllTextAsync(In("server.key"), TestContext.Current.CancellationToken);
        File.Delete(In("root.pem"));
        (int exitCode, output, string error) = await InProcess.RunAsync("certs", _directory);
        Assert.Equal(1, exitCode);
        Assert.Empty(output);
        InProcess.AssertIsOneSentence(error);
        Assert.Contains("exists; nothing was written", error, StringComparison.Ordinal);
        Assert.False(File.Exists(In("root.pem")));
        Assert.Equal(before, await File.ReadAllTextAsync(In("server.key"), TestContext.Current.CancellationToken));
    }

    [Theory]
    [InlineData("serve --tls-cert server.pem")]
    [InlineData("serve --tls-key server.key")]
    [InlineData("serve --client-ca root.pem")]
    [InlineData("serve --tls-cert gone.pem --tls-key server.key")]
    [InlineData("serve --tls-cert server.pem --tls-key client.key")]
    [InlineData("serve --tls-cert server.pem --tls-key server.key --client-ca server.key")]
    [InlineData("send localhost:1 a:b 1 --ca root.pem")]
    [InlineData("send localhost:1 a:b 1 --tls --cert client.pem")]
    [InlineData("send localhost:1 a:b 1 --tls --ca gone.pem")]
    [InlineData("listen localhost:1 --cert client.pem --key client.key")]
    [InlineData("send localhost:1 a:b 1 --tls-name localhost")]
    [InlineData("send localhost:1 a:b 1 --tls --tls-name ")]
    [InlineData("listen ./a.sock --tls")]
    [InlineData("certs")]
    public async Task A_mistake_with_certificates_is_one_sentence_and_exit_code_2(string arguments)
    {
        await MakeCertificatesAsync();
        string[] words = [.. arguments.Split(' ').Select(word => word.EndsWith(".pem", StringComparison.Ordinal) || word.EndsWith(".key", StringComparison.Ordinal) ? In(word) : word)];
        (int exitCode, string[] output, string error) = await InProcess.RunAsync(words);
        Assert.Equal(2, exitCode);
        Assert.Empty(output);
        InProcess.AssertIsOneSentence(error);
    }

    private async Task<string[]> MakeCertificatesAsync()
    {
        (int exitCode, string[] output, string error) = await InProcess.RunAsync("certs", _directory);
        Assert.Equal((0, ""), (exitCode, error));
        return output;
    }

    private string In(string name) => Path.Combine(_directory, name);
}
