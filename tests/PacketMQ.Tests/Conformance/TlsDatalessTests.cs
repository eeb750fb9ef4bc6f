using System.Net.Sockets;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Conformance;

/// <summary>
/// Another side that has got through the TLS handshake and sends records without data, or broken ones. A second connection of the same peer goes
/// on and notices nothing.
/// </summary>
public sealed class TlsDatalessTests
{
    // Far more than are taken; a flood that is not ended ends here.
    private const int Many = 60_000;

    public static TheoryData<Side> BothSides { get; } = [Side.Server, Side.Client];

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task New_keys_without_end_end_the_connection(Side side)
    {
        await using var scene = await TlsScene.BeginAsync(side);
        using Socket raw = await scene.OpenAsync();
        using OpenSslEnd flooder = Flooder(side, raw);
        await flooder.ShakeHandsAsync();
        Assert.InRange(await FloodAsync(scene, flooder, Many), 1, Many - 1);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Matches("The other side sent [0-9]+ bytes of TLS with no data in them", end.Description);
        await scene.AssertNothingElseHappenedAsync();
    }

    /// <summary>A byte of a packet now and then makes it none the better: nothing is written back, and an answer to each would be kept for ever.</summary>
    [Fact]
    public async Task New_keys_between_the_bytes_of_a_packet_end_the_connection_too()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        using OpenSslEnd flooder = Flooder(Side.Server, raw);
        await flooder.ShakeHandsAsync();
        await flooder.WriteAsync([.. WireBytes.Init, .. WireBytes.IdMap(adapt: true, (Registries.Name, 17)), .. WireBytes.Finish]);
        await scene.MadeAsync();
        await flooder.WriteAsync([0, 1, 0, 0]);
        int sent = 0;
        while (sent < Many && !scene.HasEnded)
        {
            sent += await FloodAsync(scene, flooder, 1_000);
            await TryAsync(() => flooder.WriteAsync([0]));
        }

        Assert.InRange(sent, 10_000, Many - 1);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        Assert.Matches("The other side sent [0-9]+ records of TLS with no data in them", end.Description);
        await scene.AssertNothingElseHappenedAsync();
    }

    [Fact]
    public async Task New_keys_between_packets_that_are_answered_are_let_be()
    {
        await using var scene = await TlsScene.BeginAsync(Side.Server);
        using Socket raw = await scene.OpenAsync();
        using OpenSslEnd other = Flooder(Side.Server, raw);
        await other.ShakeHandsAsync();
        await other.WriteAsync([.. WireBytes.Init, .. WireBytes.IdMap(adapt: true, (Registries.Name, 17)), .. WireBytes.Finish]);
        Connection connection = await scene.MadeAsync();
        for (int i = 0; i < 40; i++)
        {
            Assert.Equal(1_000, await FloodAsync(scene, other, 1_000));
            await other.WriteAsync(WireBytes.Frame(17, [0xc0]));
        }

        await other.WriteAsync(WireBytes.SoftQuit("reason.bye"));
        Assert.Equal("reason.bye", (await connection.Closed.Soon()).Reason.Name);
    }

    [Theory]
    [MemberData(nameof(BothSides))]
    public async Task A_broken_record_is_the_other_sides_fault_and_nobody_elses(Side side)
    {
        var logs = new FakeLogCollector();
        await using var scene = await TlsScene.BeginAsync(side, new PeerOptions { LoggerFactory = new Journal(logs) });
        using Socket raw = await scene.OpenAsync();
        using var ssl = await scene.ShakeHandsAsync(raw);
        await raw.SendAsync(new byte[] { 0x17, 0x03, 0x03, 0, 40 }.Concat(new byte[40]).ToArray(), TestContext.Current.CancellationToken);
        CloseInfo end = await scene.EndedAsync();
        Assert.Equal((CloseReason.TlsFailed, CloseInitiator.Local), (end.Reason, end.Initiator));
        await scene.AssertNothingElseHappenedAsync();
        await TlsScene.ReadToEndAsync(raw); // the end is through
        Assert.DoesNotContain(logs.GetSnapshot(), log => log.Level >= LogLevel.Error);
    }

    private static OpenSslEnd Flooder(Side side, Socket raw)
    {
        if (!OperatingSystem.IsLinux())
            Assert.Skip("The other side of it is only tried on Linux.");
        return new OpenSslEnd(raw, side == Side.Client ? TestTls.ForServers.Certificate!.Context.TargetCertificate : null, isTls13: true);
    }

    // How many were sent before the connection had ended.
    private static async Task<int> FloodAsync(TlsScene scene, OpenSslEnd flooder, int count)
    {
        for (int i = 0; i < count; i++)
        {
            if (scene.HasEnded || !await TryAsync(flooder.RenewKeysAsync))
                return i;
        }

        return count;
    }

    private static async Task<bool> TryAsync(Func<Task> action)
    {
        try
        {
            await action();
            return true;
        }
        catch (Exception exception) when (exception is IOException or SocketException)
        {
            return false; // it was ended
        }
    }
}
