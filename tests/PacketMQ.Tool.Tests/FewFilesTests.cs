using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;
using PacketMQ.Tool.Tests.Support;

namespace PacketMQ.Tool.Tests;

/// <summary>A server process that may have 256 files open, and 400 clients.</summary>
public sealed class FewFilesTests
{
    private const int OpenFiles = 256;
    private const int Clients = 400;

    [Fact]
    public async Task By_default_the_cap_keeps_the_server_below_the_limit_and_the_rest_is_turned_away()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The default follows the limit of open files on Linux.");
        (ToolProcess server, string address) = await ToolProcess.ServeWithFewFilesAsync(OpenFiles, "--handshake-timeout", "300");
        await using ToolProcess running = server;

        List<Socket> sockets = await ConnectAsync(address);
        int held = 0;
        foreach (Socket socket in sockets)
        {
            // INIT begins with a length of 13; whoever is turned away gets a softquit of 29.
            byte[] first = new byte[4];
            int received = await socket.ReceiveAsync(first).WaitAsync(Patience.Limit);
            held += received == 4 && first[3] == 13 ? 1 : 0;
        }

        Assert.Equal(128, held);
        await EndAsync(server, address, sockets, "A connection from 127.0.0.1:");
    }

    [Fact]
    public async Task Without_descriptors_accepting_pauses_says_so_and_goes_on_when_clients_leave()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "The limit is set with ulimit.");
        (ToolProcess server, string address) = await ToolProcess.ServeWithFewFilesAsync(
            OpenFiles, "--max-connections", "10000", "--handshake-timeout", "300");
        await using ToolProcess running = server;
        await using ToolProcess listener = ToolProcess.Start("listen", address);
        await listener.NextLineAsync("connected to");

        List<Socket> sockets = await ConnectAsync(address);
        await EndAsync(server, address, sockets, "Accepting on 127.0.0.1:");

        // Who was connected before has noticed nothing: it ends when it is told to, and not as one whose connection was lost.
        listener.Signal(PosixSignal.SIGINT);
        (int exitCode, _, string error) = await listener.EndAsync();
        Assert.Equal((0, ""), (exitCode, error));
    }

    // They leave, the next client is served at once, and the server has told on standard error, some times, what was wrong.
    private static async Task EndAsync(ToolProcess server, string address, List<Socket> sockets, string complaint)
    {
        await server.ErrorLineAsync(complaint);
        foreach (Socket socket in sockets)
            socket.Dispose();
        // The server needs a moment to notice that they have left, and its pause to try again: on a busy machine, a long one.
        TimeProvider time = TimeProvider.System;
        long begin = time.GetTimestamp();
        int exitCode;
        do
        {
            (exitCode, _, string error) = await InProcess.RunAsync("send", address, "myapplication:mypacket", "1", "--expect", "1");
            Assert.True(exitCode == 0 || time.GetElapsedTime(begin) < Patience.Limit, error);
            await Task.Delay(TimeSpan.FromMilliseconds(exitCode == 0 ? 0 : 100), time);
        }
        while (exitCode != 0);
    }

    private static async Task<List<Socket>> ConnectAsync(string address)
    {
        IPEndPoint endPoint = IPEndPoint.Parse(address);
        var sockets = new List<Socket>();
        for (int i = 0; i < Clients; i++)
        {
            var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
            sockets.Add(socket);
            await socket.ConnectAsync(endPoint).WaitAsync(Patience.Limit);
        }

        return sockets;
    }
}
