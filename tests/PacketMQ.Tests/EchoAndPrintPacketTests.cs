using PacketMQ.Tests.Support;

namespace PacketMQ.Tests;

public sealed class EchoAndPrintPacketTests
{
    public static TheoryData<string> Payloads =>
    [
        "a3616263", // STR
        "c403616263", // BIN
        "d903616263", "da0003616263", "db00000003616263", "c50003616263", "c600000003616263", // longer headers than needed
        "ca3dcccccd", // float32
        "cb3fb999999999999a", "01", "cc01", "cd0001", "ce00000001", "cf0000000000000001", "d001", "d10001", "d200000001", "d30000000000000001", "e0", "c0", "c2", "c3",
        "dc0001c0", "dd00000001c0", "de0001a16101", "df00000001c4016101", // BIN key
        "d40501", "c7030501020f", "d6ff00000000", "82a162c3a161c2", // map order
    ];

    [Theory, MemberData(nameof(Payloads))]
    public async Task An_echo_returns_the_payload_byte_for_byte(string hex)
    {
        byte[] payload = Convert.FromHexString(hex);
        var output = new StringWriter();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(("a:echo", new EchoPacket("a:reply", output)), ("a:reply", Registries.Sink())), Registries.Client(Registries.Sink()));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, "a:echo", "a:reply");

        await raw.WriteAsync(RawEnd.Frame(17, payload));
        var reply = Assert.NotNull(await raw.ReadFrameAsync());
        Assert.Equal((18, hex), (reply.PacketId, Convert.ToHexStringLower(reply.Payload)));
        Assert.StartsWith("Received EchoPacket: ", output.ToString());
        Assert.EndsWith(Environment.NewLine, output.ToString());
    }

    /// <summary>It is decoded only to be printed, and what is printed is bounded anyway.</summary>
    [Theory]
    [InlineData(Transport.Memory)]
    [InlineData(Transport.TcpIPv4)]
    public async Task A_payload_that_takes_more_memory_than_dynamic_values_may_is_returned_all_the_same(Transport transport)
    {
        byte[] payload = [0xdc, 0x27, 0x10, .. Enumerable.Range(0, 10_000).SelectMany(i => new byte[] { 0xd4, 0x01, (byte)i })];
        var output = new StringWriter();
        await using var pair = new PeerPair(
            transport, Registries.Server(("a:echo", new EchoPacket("a:reply", output)), ("a:reply", Registries.Sink())), Registries.Client(Registries.Sink()));
        await using RawEnd raw = await RawEnd.ConnectAsync(pair, "a:echo", "a:reply");

        foreach (string _ in new[] { "once", "and the connection goes on" })
        {
            await raw.WriteAsync(RawEnd.Frame(17, payload));
            var reply = Assert.NotNull(await raw.ReadFrameAsync());
            Assert.Equal(18, reply.PacketId);
            Assert.Equal(payload, reply.Payload);
        }

        string line = "Received EchoPacket: a value of 30003 bytes that takes too much memory to be shown" + Environment.NewLine;
        Assert.Equal(line + line, output.ToString());
    }

    [Fact]
    public async Task The_reply_may_be_named_by_name_id_or_object()
    {
        var inbox = new Inbox();
        Packet reply = Registries.Sink();
        foreach (PacketKey key in new PacketKey[] { "a:reply", 18, reply })
        {
            await using var pair = new PeerPair(
                Transport.Memory, Registries.Server(("a:echo", new EchoPacket(key, TextWriter.Null)), ("a:reply", reply)),
                Registries.Client(("a:reply", inbox.Packet), ("a:echo", Registries.Sink())));
            (Connection client, _) = await pair.ConnectAsync();
            await client.SendAsync("a:echo", "x");
            Assert.Equal("x", await inbox.NextAsync());
        }
    }

    [Fact]
    public async Task An_echo_to_a_packet_that_does_not_exist_is_a_handlers_fault()
    {
        var failed = new TaskCompletionSource<Exception>();
        await using var pair = new PeerPair(
            Transport.Memory, Registries.Server(("a:echo", new EchoPacket("a:nowhere", TextWriter.Null))), Registries.Client(("a:echo", Registries.Sink())));
        pair.Server.HandlerFailed += (_, failure) => failed.TrySetResult(failure.Exception);
        (Connection client, _) = await pair.ConnectAsync();
        await client.SendAsync("a:echo", 1);
        Assert.Contains("a:nowhere", Assert.IsType<PacketException>(await failed.Task.Soon()).Message);
    }

    [Fact]
    public async Task What_is_printed_can_not_control_a_terminal()
    {
        var (echoed, printed) = (new StringWriter(), new StringWriter());
        await using var pair = new PeerPair(
            Transport.Memory,
            Registries.Server(("a:echo", new EchoPacket("a:print", echoed)), ("a:print", new PrintPacket(printed))),
            Registries.Client(("a:echo", Registries.Sink()), ("a:print", Registries.Sink())));
        (Connection client, Connection server) = await pair.ConnectAsync();

        const string evil = "\u001b[31mred\u0007\r\n\u009b2J\u202e";
        await client.SendAsync("a:echo", evil);
        await client.SendAsync("a:print", new Dictionary<object, object?> { [evil] = new object[] { evil, "\u001b"u8.ToArray() } });
        await client.SoftQuitAsync().Soon();
        await server.Closed.Soon();

        foreach (StringWriter output in new[] { echoed, printed })
        {
            string text = output.ToString();
            Assert.EndsWith(Environment.NewLine, text);
            string line = text[..^Environment.NewLine.Length];
            Assert.DoesNotContain(line, character => char.IsControl(character) || character == '\u202e');
            Assert.Contains("red", line);
        }

        Assert.StartsWith($"[{server.Id}] {{", printed.ToString());
    }

    [Fact]
    public async Task Lines_of_many_connections_do_not_mix()
    {
        var output = new StringWriter();
        await using var pair = new PeerPair(Transport.Memory, Registries.Server(new PrintPacket(output)), Registries.Client(Registries.Sink()));
        var ends = new List<Connection>();
        for (int i = 0; i < 5; i++)
        {
            (Connection client, Connection server) = await pair.ConnectAsync();
            ends.AddRange(client, server);
        }

        await Task.WhenAll(ends.Where(end => end.Peer == pair.Client).Select(async client =>
        {
            for (int i = 0; i < 100; i++)
                await client.SendAsync(Registries.Name, new string('x', 50));
            await client.SoftQuitAsync();
        })).Soon();
        foreach (Connection end in ends)
            await end.Closed.Soon();

        string[] lines = output.ToString().Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal(500, lines.Length);
        Assert.All(lines, line => Assert.Matches("^\\[[1-5]\\] \"x{50}\"$", line));
    }
}
