using System.Buffers;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using PacketMQ.Serialization;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// How much memory bad input takes, at a server and at a client: what a peer declares must never decide it. The cases that are about more
/// than bytes and an answer: <see cref="BadInputSceneMemoryTests"/>.
/// </summary>
[Collection(nameof(AloneInTheProcess))]
public sealed partial class BadInputMemoryTests
{
    /// <summary>From here on two rounds tell enough.</summary>
    private const int LongInput = 256 * 1024;

    private static readonly Side[] Sides = [Side.Server, Side.Client];

    private static readonly TimeSpan Quick = TimeSpan.FromMilliseconds(10);

    public static TheoryData<string, Side> Rows { get; } = [.. from name in BadInputTable.All.Keys from side in Sides select (name, side)];

    public static TheoryData<Side> BothSides { get; } = [.. Sides];

    [Theory]
    [MemberData(nameof(Rows))]
    public async Task Bad_input_takes_no_more_memory_than_written(string name, Side side)
    {
        BadInput input = BadInputTable.All[name];
        var log = new TargetLog();
        await using var peer = new PeerUnderTest(
            side, log.NewRegistry(input.Adapts ?? side == Side.Client, input.Target), input.Options(new PeerOptions()));

        // What comes behind a refusal is forgotten as soon as it is read, into one receive buffer.
        using var measure = new MemoryMeasure { Rounds = input.Bytes.Length < LongInput ? 10 : 2 };
        await measure.AssertBoundAsync(
            () => BadInputRun.AttackAsync(peer, input, log),
            () => BadInputRun.AttackAsync(peer, BadInput.Lawful(input.Stage), log),
            BoundOf(BadInputCase.All[input.Id].Memory, input.Bytes.Length) + (input.IsFlood ? ReceiveBuffer.LargestArray : 0));
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task F17_a_flood_of_large_frames_before_any_handshake_takes_no_memory(Side side)
    {
        const int count = 1_000;
        const long most = 20 * 1024 * 1024;
        byte[] declared = BadInputTable.All["F17"].Bytes;
        byte[] expected = [.. WireBytes.Init, .. WireBytes.SoftQuit(CloseReason.FrameTooLarge)];
        var options = new PeerOptions { MaxPendingHandshakes = null };
        await using Peer peer = side == Side.Server ? new Server(new PacketRegistry(), options) : new Client(new PacketRegistry(), options);
        using Socket listener = RawPeer.Listen();
        EndPoint endPoint = (peer as Server)?.Listen(new IPEndPoint(IPAddress.Loopback, 0)) ?? listener.LocalEndPoint!;
        int refused = 0;
        peer.ConnectionRefused += (_, e) =>
        {
            if (e.CloseInfo.Reason == CloseReason.FrameTooLarge)
                Interlocked.Increment(ref refused);
        };
        using var pool = new PoolWatch();
        var sockets = new List<Socket>();
        await FloodAsync(50); // warms up
        pool.Reset();
        long managedBefore = GC.GetTotalMemory(forceFullCollection: true);
        long residentBefore = ResidentBytes();
        await FloodAsync(count);

        // All are still open on the side of the attacker, which has sent all that was taken and was told why.
        long resident = ResidentBytes() - residentBefore;
        long managed = GC.GetTotalMemory(forceFullCollection: true) - managedBefore;
        Assert.Equal(count + 50, refused);
        Assert.InRange(managed, long.MinValue, most);
        Assert.InRange(resident, long.MinValue, most);
        Assert.InRange(pool.Most, 0, most / 2);
        sockets.ForEach(socket => socket.Dispose());

        async Task FloodAsync(int connections)
        {
            // A few at a time, as a machine's cores let them; none is closed before the end.
            int left = connections;
            await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => Task.Run(async () =>
            {
                byte[] answer = new byte[expected.Length];
                while (Interlocked.Decrement(ref left) >= 0)
                {
                    Task connecting = peer is Client client ? client.ConnectAsync(endPoint) : Task.CompletedTask;
                    Socket socket = await (side == Side.Server ? ConnectAsync() : listener.AcceptAsync()).Soon();
                    lock (sockets)
                        sockets.Add(socket);
                    try
                    {
                        for (int sent = 0; sent < declared.Length;)
                            sent += await socket.SendAsync(declared.AsMemory(sent)).AsTask().WaitAsync(RawPeer.Patience);
                    }
                    catch (SocketException)
                    {
                        // It was cut in the middle, behind the answer.
                    }

                    for (int received = 0; received < expected.Length;)
                    {
                        int bytes = await socket.ReceiveAsync(answer.AsMemory(received)).AsTask().WaitAsync(RawPeer.Patience);
                        Assert.NotEqual(0, bytes);
                        received += bytes;
                    }

                    Assert.Equal(expected, answer);
                    Assert.True(side == Side.Server || await Record.ExceptionAsync(() => connecting.Soon()) is ConnectionClosedException);
                }
            })));
        }

        async Task<Socket> ConnectAsync()
        {
            var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            await socket.ConnectAsync(endPoint);
            return socket;
        }
    }

    [Fact]
    public void M15_colliding_keys_are_read_as_fast_as_random_ones()
    {
        byte[] colliding = BadInputTable.CollidingKeys;
        byte[] usual = BadInputTable.RandomKeys;
        TimeSpan slow = TimeSpan.MaxValue;
        TimeSpan fast = TimeSpan.MaxValue;

        // The best of several, because other processes take the cores away. A hash that collides costs not twice but thousands of times.
        for (int i = 0; i < 40 && (i < 4 || (slow > 2 * fast && slow < 50 * fast)); i++)
        {
            fast = TimeSpan.FromTicks(Math.Min(fast.Ticks, TimeToRead(usual).Ticks));
            slow = TimeSpan.FromTicks(Math.Min(slow.Ticks, TimeToRead(colliding).Ticks));
        }

        Assert.InRange(slow, TimeSpan.Zero, 2 * fast);
    }

    [Fact]
    public void P05_ten_thousand_unknown_fields_are_passed_over_quickly()
    {
        var payload = new ReadOnlySequence<byte>(BadInputTable.ManyFields(10_000));
        TypedCodec<OneField> codec = TypedCodec<OneField>.Create();
        TimeSpan best = TimeSpan.MaxValue;
        for (int i = 0; i < 100 && best > Quick; i++)
        {
            long start = Stopwatch.GetTimestamp();
            Assert.Equal(7, codec.Read(payload, hasBinaryKeys: true).Field);
            best = TimeSpan.FromTicks(Math.Min(best.Ticks, Stopwatch.GetElapsedTime(start).Ticks));
        }

        Assert.InRange(best, TimeSpan.Zero, Quick); // to look at all of them for each would take hundreds of times as long
    }

    /// <summary>The catalogue's figure in bytes; "frame" is what was sent, once in the buffers and once decoded, each up to twice as large.</summary>
    public static long BoundOf(string memory, int sent)
    {
        if (memory is "frame" or "as F10")
            return 4L * sent;
        if (memory is "≤ 16 × frame")
            return 16L * sent;
        if (memory.StartsWith("99 999 B", StringComparison.Ordinal))
            return sent < 4_096 ? 4_096 : 99_999 + 65_536;
        Match match = Figure().Match(memory);
        Assert.True(match.Success, $"The bound '{memory}' is not understood.");
        long unit = match.Groups[2].Value switch { "KiB" => 1_024, "MiB" => 1_048_576, _ => 1 };
        return long.Parse(match.Groups[1].Value, CultureInfo.InvariantCulture) * unit;
    }

    private static TimeSpan TimeToRead(byte[] payload)
    {
        long start = Stopwatch.GetTimestamp();
        Assert.IsAssignableFrom<PacketMap>(DynamicCodec.Read(new ReadOnlySequence<byte>(payload)));
        return Stopwatch.GetElapsedTime(start);
    }

    private static long ResidentBytes()
    {
        using var process = Process.GetCurrentProcess();
        return process.WorkingSet64;
    }

    [GeneratedRegex(@"^≤? ?([0-9]+) (B|KiB|MiB)")]
    private static partial Regex Figure();
}

/// <summary>Tests that measure the whole process run after all others, and one at a time.</summary>
[CollectionDefinition(nameof(AloneInTheProcess), DisableParallelization = true)]
public sealed class AloneInTheProcess;
