namespace PacketMQ.Tests.Conformance;

/// <summary>
/// A second connection to the peer under test, on which nothing bad happens: it exchanges echo packets, and each answer must be the
/// right one. Every exchange is also proof that the process and the peer are alive.
/// </summary>
internal sealed class Bystander : IAsyncDisposable
{
    private readonly Encounter _encounter;
    private readonly CancellationTokenSource _stopping = new();
    private Task _exchanging = Task.CompletedTask;
    private int _last;

    private Bystander(Encounter encounter) => _encounter = encounter;

    public int Exchanges => Volatile.Read(ref _last);

    public static async Task<Bystander> ConnectAsync(PeerUnderTest peer)
    {
        Encounter encounter = await peer.OpenAsync();
        await Handshake.GoThroughAsync(encounter, Stage.Active, peer.Peer.Registry.AdaptPacketIds);
        var bystander = new Bystander(encounter);
        await bystander.ExchangeAsync(1);
        return bystander;
    }

    /// <summary>Exchanges without a pause from now on.</summary>
    public void Start() => _exchanging = Task.Run(async () =>
    {
        while (!_stopping.IsCancellationRequested)
            await ExchangeAsync(1);
    });

    /// <summary>Stops, and proves that nothing has happened to the connection.</summary>
    public async Task StopAsync()
    {
        await _stopping.CancelAsync();
        await _exchanging;
        await ExchangeAsync(1);
        Assert.False(_encounter.HasEnded);
    }

    public async Task ExchangeAsync(int count)
    {
        for (; count > 0; count--)
        {
            byte[] payload = [0xce, .. BitConverter.GetBytes(++_last)];
            await _encounter.Raw.SendAsync(WireBytes.Frame(TargetLog.EchoId, payload));
            Assert.Equal(WireBytes.Frame(TargetLog.EchoReplyId, payload), await _encounter.Raw.ReadFrameAsync());
        }
    }

    public ValueTask DisposeAsync() => _encounter.DisposeAsync();
}

/// <summary>The lawful part of a bare socket's conversation.</summary>
internal static class Handshake
{
    public static byte[] IdMap(bool peerAdapts) => WireBytes.IdMap(!peerAdapts, TargetLog.Packets);

    public static byte[] OurIdMap(bool peerAdapts) => WireBytes.IdMap(peerAdapts, TargetLog.Packets);

    public static async Task GoThroughAsync(Encounter encounter, Stage stage, bool peerAdapts)
    {
        if (stage == Stage.Connected)
            return;
        await encounter.Raw.SendAsync(WireBytes.Init);
        Assert.Equal(WireBytes.Init, await encounter.Raw.ReadFrameAsync());
        Assert.Equal(OurIdMap(peerAdapts), await encounter.Raw.ReadFrameAsync());
        if (stage == Stage.AfterInit)
            return;
        await encounter.Raw.SendAsync((byte[])[.. IdMap(peerAdapts), .. WireBytes.Finish]);
        Assert.Equal(WireBytes.Finish, await encounter.Raw.ReadFrameAsync());
        await encounter.MadeAsync();
    }
}
