using System.Threading.Channels;

namespace PacketMQ.Tests.Support;

/// <summary>A packet that keeps what arrives.</summary>
internal sealed class Inbox
{
    private readonly Channel<(object? Data, PacketContext Context)> _arrivals = Channel.CreateUnbounded<(object?, PacketContext)>();

    public Inbox() => Packet = Packet.Create((data, context) => { _arrivals.Writer.TryWrite((data, context)); });

    public Packet Packet { get; }

    public bool IsEmpty => _arrivals.Reader.Count == 0;

    public async Task<object?> NextAsync() => (await _arrivals.Reader.ReadAsync().Soon()).Data;

    public Task<(object? Data, PacketContext Context)> NextWithContextAsync() => _arrivals.Reader.ReadAsync().Soon();
}
