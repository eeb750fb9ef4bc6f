using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace PacketMQ.Soak.Children;

/// <summary>Opens 5 000 connections a second for 10 s from many addresses of 127.0.0.0/8, says nothing, and resets each after a second.</summary>
internal static class FloodChild
{
    private const int PerSecond = 5_000;
    private const int Seconds = 10;

    public static async Task RunAsync(IPEndPoint server)
    {
        Child.Answer("ready");
        await Child.CommandAsync().ConfigureAwait(false);
        var open = new ConcurrentQueue<(Socket Socket, long Since)>();
        int failures = 0;
        int begun = 0;
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start).TotalSeconds < Seconds)
        {
            int due = (int)(Stopwatch.GetElapsedTime(start).TotalSeconds * PerSecond);
            for (; begun < due; begun++)
            {
                Socket socket = ResetSockets.New();
                try
                {
                    socket.Bind(new IPEndPoint(new IPAddress(new byte[] { 127, 1, (byte)(begun >> 8), (byte)(begun | 1) }), 0));
                    socket.Blocking = false;
                    socket.Connect(server);
                }
                catch (SocketException exception) when (exception.SocketErrorCode is SocketError.WouldBlock or SocketError.InProgress)
                {
                    // On its way.
                }
                catch (SocketException)
                {
                    failures++;
                }

                open.Enqueue((socket, Stopwatch.GetTimestamp()));
            }

            while (open.TryPeek(out var oldest) && Stopwatch.GetElapsedTime(oldest.Since).TotalSeconds > 1)
            {
                open.TryDequeue(out _);
                oldest.Socket.Dispose();
            }

            await Task.Delay(2).ConfigureAwait(false);
        }

        foreach ((Socket socket, _) in open)
            socket.Dispose();
        Child.Answer($"{begun} connects, {failures} failed at the client");
    }
}
