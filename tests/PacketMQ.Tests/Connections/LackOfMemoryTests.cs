using System.IO.Pipelines;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Connections;

/// <summary>A connection that finds no memory, not even to begin, ends by itself: nothing of it stays, and its task never fails.</summary>
public sealed class LackOfMemoryTests
{
    [Fact]
    public async Task A_connection_that_can_not_even_begin_is_cut_and_forgotten()
    {
        await using var server = new MemoryServer(Registries.Server(Registries.Sink()));
        var transport = new BareTransport();
        Connection connection = server.Begin(transport)!;
        Assert.Equal(CloseReason.InternalError, (await connection.Closed.Soon()).Reason);
        Assert.Equal(ConnectionState.Closed, connection.State);
        Assert.False(server.TryGetConnection(connection.Id, out _));
        Assert.True(transport.IsAborted);
        await server.StopAsync().Soon();
    }

    private sealed class BareTransport : TransportConnection
    {
        private readonly Pipe _pipe = new();

        public bool IsAborted { get; private set; }

        public override PipeReader Input => _pipe.Reader;

        public override PipeWriter Output => _pipe.Writer;

        public override Task<IOException?> OpenAsync() => throw new OutOfMemoryException();

        public override void Abort() => IsAborted = true;

        public override ValueTask DisposeAsync() => default;
    }
}
