using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;

namespace PacketMQ.Soak.Children;

/// <summary>
/// Strangers that make a server compute TLS handshakes and compute nothing themselves: each sends the same recorded hello, and never goes on.
/// "capacity": as many as get an answer, 16 at a time, for 5 s. "go N": N a second for 10 s, each reset after a second.
/// </summary>
internal static class TlsFloodChild
{
    private static readonly TimeSpan MeasureFor = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan FloodFor = TimeSpan.FromSeconds(10);

    public static async Task RunAsync(IPEndPoint server)
    {
        byte[] hello = await RecordHelloAsync().ConfigureAwait(false);
        Child.Answer("ready");
        while (await Child.CommandAsync().ConfigureAwait(false) is { } command)
        {
            if (command.StartsWith("at ", StringComparison.Ordinal))
            {
                server = new IPEndPoint(server.Address, int.Parse(command[3..], CultureInfo.InvariantCulture));
                Child.Answer("");
            }
            else if (command == "capacity")
                Child.Answer((await MeasureCapacityAsync(server, hello).ConfigureAwait(false)).ToString("0", CultureInfo.InvariantCulture));
            else
                Child.Answer(await FloodAsync(server, hello, double.Parse(command[3..], CultureInfo.InvariantCulture)).ConfigureAwait(false));
        }
    }

    private static async Task<double> MeasureCapacityAsync(IPEndPoint server, byte[] hello)
    {
        long begun = Stopwatch.GetTimestamp();
        int answered = 0;
        await Task.WhenAll(Enumerable.Range(0, 16).Select(_ => Task.Run(async () =>
        {
            byte[] answer = new byte[4_096];
            while (Stopwatch.GetElapsedTime(begun) < MeasureFor)
            {
                using Socket socket = ResetSockets.New();
                try
                {
                    await socket.ConnectAsync(server).ConfigureAwait(false);
                    await socket.SendAsync(hello).ConfigureAwait(false);
                    if (await socket.ReceiveAsync(answer).ConfigureAwait(false) > 0)
                        Interlocked.Increment(ref answered);
                }
                catch (SocketException)
                {
                    // Turned away.
                }
            }
        }))).ConfigureAwait(false);
        return answered / Stopwatch.GetElapsedTime(begun).TotalSeconds;
    }

    // Without a task, a timer or an exception for each: the flood shall cost the server's machine as little as it can.
    private static async Task<string> FloodAsync(IPEndPoint server, byte[] hello, double perSecond)
    {
        var open = new Queue<(Socket Socket, long Since)>(); // said hello, or about to
        int begun = 0;
        int failures = 0;
        int answers = 0;
        var connecting = new Queue<Socket>();
        byte[] answer = new byte[4_096];
        TimeSpan processor = Environment.CpuUsage.TotalTime;
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < FloodFor)
        {
            int due = (int)(Stopwatch.GetElapsedTime(start).TotalSeconds * perSecond);
            for (; begun < due; begun++)
                Begin();
            while (connecting.TryDequeue(out Socket? socket))
            {
                socket.Send(hello, SocketFlags.None, out SocketError error);
                if (error != SocketError.Success)
                    failures++;
            }

            while (open.TryPeek(out var oldest) && Stopwatch.GetElapsedTime(oldest.Since).TotalSeconds > 1)
                End();
            await Task.Delay(2).ConfigureAwait(false);
        }

        TimeSpan used = Environment.CpuUsage.TotalTime - processor;
        while (open.Count > 0)
            End();
        return string.Create(
            CultureInfo.InvariantCulture, $"{begun} hellos, {answers} of them answered, {failures} not sent; {used.TotalSeconds / FloodFor.TotalSeconds:0.00} processors for them");

        void Begin()
        {
            Socket socket = ResetSockets.New();
            try
            {
                socket.Connect(server); // within the machine that takes no time, unless the backlog is full
                connecting.Enqueue(socket);
                open.Enqueue((socket, Stopwatch.GetTimestamp()));
            }
            catch (SocketException)
            {
                socket.Dispose();
                failures++;
            }
        }

        void End()
        {
            using Socket socket = open.Dequeue().Socket;
            socket.Blocking = false;
            if (socket.Receive(answer, SocketFlags.None, out SocketError error) > 0 && error == SocketError.Success)
                answers++;
        }
    }

    private static async Task<byte[]> RecordHelloAsync()
    {
        using var stream = new HalfDeaf();
        await using var ssl = new SslStream(stream);
        try
        {
            await ssl.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "soak.example",
                ApplicationProtocols = [new SslApplicationProtocol("packetmq/1")],
            }).ConfigureAwait(false);
        }
        catch (IOException)
        {
            // Nobody answers.
        }

        return stream.Written;
    }

    /// <summary>A stream that ends at once, and keeps what was written to it.</summary>
    private sealed class HalfDeaf : Stream
    {
        public byte[] Written { get; private set; } = [];

        public override bool CanRead => true;

        public override bool CanSeek => false;

        public override bool CanWrite => true;

        public override long Length => throw new NotSupportedException();

        public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

        public override int Read(byte[] buffer, int offset, int count) => 0;

        public override void Write(byte[] buffer, int offset, int count) => Written = [.. Written, .. buffer.AsSpan(offset, count)];

        public override void Flush()
        {
        }

        public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

        public override void SetLength(long value) => throw new NotSupportedException();
    }
}
