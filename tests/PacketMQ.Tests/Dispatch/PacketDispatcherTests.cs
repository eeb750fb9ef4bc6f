using System.Buffers;
using Microsoft.Extensions.Logging.Testing;
using Microsoft.Extensions.Time.Testing;
using PacketMQ.Dispatch;
using PacketMQ.Tests.Serialization;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Dispatch;

public sealed class PacketDispatcherTests
{
    private const string Guarded = "test:guarded";

    /// <summary>Who may send what is left out can do so as often as it likes: it costs no garbage, and one line a second.</summary>
    [Theory]
    [InlineData(19)] // the server announced it, and only it has it
    [InlineData(999)] // nobody announced it
    [InlineData(18)] // may not be sent by servers
    public async Task A_packet_that_is_left_out_allocates_nothing_while_its_like_was_logged(int wireId)
    {
        var logs = new FakeLogCollector();
        var options = new PeerOptions
        {
            PacketMismatch = PacketMismatch.Allow,
            UnknownPacket = RefusalAction.Skip,
            TimeProvider = new FakeTimeProvider(),
            LoggerFactory = new Journal(logs),
        };
        PacketRegistry registry = Registries.Client(Registries.Sink());
        var guard = new PacketGuard { Flow = PacketFlow.ClientToServer, Violation = RefusalAction.Skip };
        registry.AddPacket(Guarded, Registries.Sink(), 2_000, guard);
        await using var pair = new PeerPair(
            Transport.Memory,
            Registries.Server((Registries.Name, Registries.Sink()), (Guarded, Registries.Sink()), ("test:onlythere", Registries.Sink())),
            registry, new PeerOptions { PacketMismatch = PacketMismatch.Allow }, options);
        (Connection client, _) = await pair.ConnectAsync();
        var dispatcher = new PacketDispatcher(client);
        PacketRoute? lastRoute = null;
        var payload = new ReadOnlySequence<byte>(new byte[] { 0xc0 });

        Assert.Equal(0, Measure.AllocatedBytes(() => Assert.True(dispatcher.DispatchAsync(wireId, payload, hasBinaryKeys: false, ref lastRoute).IsCompletedSuccessfully)));
        FakeLogRecord line = Assert.Single(logs.GetSnapshot(), record => record.Id.Id == DispatchLog.PacketSkippedId);
        Assert.Contains(wireId == 18 ? Guarded : $"{wireId}", line.Message, StringComparison.Ordinal);
    }
}
