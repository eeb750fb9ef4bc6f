using System.Buffers;
using System.IO.Pipelines;
using System.Net.Sockets;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

/// <summary>What only sockets do: buffers come and go, and errors are handed out once.</summary>
public sealed class SocketConnectionTests
{
    private readonly PoisoningPool _pool = new();

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task An_idle_connection_holds_no_buffer()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (connection)
        await using (peer)
        {
            for (int i = 0; i < 3; i++)
            {
                Task<ReadResult> pending = connection.Input.ReadAsync(Cancelled).AsTask();
                Assert.False(pending.IsCompleted);
                Assert.Equal(0, _pool.Lent);
                await peer.Output.WriteAsync(Pattern.Bytes(0, 100), Cancelled);
                ReadResult result = await pending.Soon();
                Assert.Equal(1, _pool.Lent);
                connection.Input.AdvanceTo(result.Buffer.End);
            }
        }

        Assert.Equal(0, _pool.Lent);
    }

    [Fact]
    public async Task Under_steady_load_the_same_arrays_are_used_over_and_over()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (connection)
        await using (peer)
        {
            byte[] chunk = Pattern.Bytes(0, 64 * 1024);
            // The kernel holds the chunk before we ask for it, so no read has to wait.
            for (int i = 0; i < 200; i++)
            {
                await peer.Output.WriteAsync(chunk, Cancelled);
                await connection.Input.ReadExactlyAsync(chunk.Length).Soon();
            }

            Assert.InRange(_pool.Rents, 1, 30);
        }
    }

    [Fact]
    public async Task Completing_both_halves_returns_every_buffer()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (connection)
        await using (peer)
        {
            await peer.Output.WriteAsync(Pattern.Bytes(0, 300_000), Cancelled);
            ReadResult result = await connection.Input.ReadAtLeastAsync(300_000, Cancelled).Soon();
            connection.Input.AdvanceTo(result.Buffer.Start);
            connection.Output.GetMemory(10_000);
            connection.Output.Advance(10_000);
            connection.Output.GetMemory(50_000);
            Assert.True(_pool.Lent > 5);
            connection.Input.Complete();
            connection.Output.Complete();
            Assert.Equal(0, _pool.Lent);
        }
    }

    [Fact]
    public async Task A_disposal_leaves_bytes_alone_that_the_consumer_looks_at()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (peer)
        {
            await peer.Output.WriteAsync(Pattern.Bytes(0, 50_000), Cancelled);
            ReadResult result = await connection.Input.ReadAtLeastAsync(50_000, Cancelled).Soon();
            await connection.DisposeAsync();
            Pattern.Check(result.Buffer.ToArray(), 0, 50_000);
            connection.Input.AdvanceTo(result.Buffer.End);
            Assert.Equal(0, _pool.Lent);
        }
    }

    [Fact]
    public async Task A_disposal_leaves_bytes_alone_that_are_held_while_reading_ahead()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (peer)
        {
            await peer.Output.WriteAsync(Pattern.Bytes(0, 50_000), Cancelled);
            ReadResult result = await connection.Input.ReadAtLeastAsync(50_000, Cancelled).Soon();
            connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            Task<ReadResult> ahead = connection.Input.ReadAsync(Cancelled).AsTask();
            await connection.DisposeAsync();
            await Assert.ThrowsAsync<IOException>(() => ahead.Soon());
            Pattern.Check(result.Buffer.ToArray(), 0, 50_000);
            connection.Input.Complete();
            Assert.Equal(0, _pool.Lent);
        }
    }

    [Fact]
    public async Task A_disposal_between_two_reads_returns_what_was_not_consumed()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (peer)
        {
            await peer.Output.WriteAsync(Pattern.Bytes(0, 100), Cancelled);
            ReadResult result = await connection.Input.ReadAsync(Cancelled).Soon();
            connection.Input.AdvanceTo(result.Buffer.Start, result.Buffer.End);
            await connection.DisposeAsync();
            Assert.Equal(0, _pool.Lent);
        }
    }

    [Fact]
    public async Task Bytes_that_arrived_before_a_reset_are_delivered_first()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (connection)
        await using (peer)
        {
            await peer.Output.WriteAsync(Pattern.Bytes(0, 30_000), Cancelled);
            peer.Abort();
            Pattern.Check(await connection.Input.ReadExactlyAsync(30_000).Soon(), 0, 30_000);
            await AssertResetAsync(() => connection.Input.ReadAsync(Cancelled).Soon());
            await AssertResetAsync(() => connection.Input.ReadAsync(Cancelled).Soon());
            await AssertResetAsync(() => connection.Output.WriteAsync(new byte[1], Cancelled).Soon());
        }
    }

    [Fact]
    public async Task A_reset_that_the_writer_was_told_is_no_end_of_stream_for_the_reader()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (connection)
        await using (peer)
        {
            peer.Abort();
            await AssertResetAsync(() => connection.Output.WriteAsync(new byte[1], Cancelled).Soon());
            await AssertResetAsync(() => connection.Input.ReadAsync(Cancelled).Soon());
        }
    }

    [Fact]
    public async Task A_reset_that_somebody_was_told_and_has_not_reported_is_no_end_of_stream_either()
    {
        Assert.SkipUnless(OperatingSystem.IsLinux(), "Only there the system is asked for the connection's state.");
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        var peer = new SocketConnection(right);
        await using var connection = new SocketConnection(left, _pool);
        peer.Abort();
        await peer.DisposeAsync();
        Assert.Equal((int)SocketError.ConnectionReset, left.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error)); // which takes it
        await AssertResetAsync(() => connection.Input.ReadAsync(Cancelled).Soon());
    }

    [Fact]
    public async Task Behind_the_own_end_the_other_sides_end_is_one()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (connection)
        await using (peer)
        {
            await connection.Output.CompleteAsync();
            await peer.Output.CompleteAsync();
            Assert.True((await peer.Input.ReadAsync(Cancelled).Soon()).IsCompleted);
            Assert.True((await connection.Input.ReadAsync(Cancelled).Soon()).IsCompleted);
        }
    }

    [Fact]
    public async Task A_disposal_is_a_proper_end_even_with_a_read_pending_but_not_with_a_write_half_done()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (peer)
        {
            Task<ReadResult> pending = connection.Input.ReadAsync(Cancelled).AsTask();
            await connection.DisposeAsync();
            await Assert.ThrowsAsync<IOException>(() => pending.Soon());
            Assert.Empty(await peer.Input.ReadToEndAsync().Soon());
        }

        (connection, peer) = await ConnectAsync();
        await using (peer)
        {
            (Task pending, _) = await connection.Output.WriteUntilPendingAsync();
            await connection.DisposeAsync();
            await Assert.ThrowsAsync<IOException>(() => pending.Soon());
            await AssertResetAsync(() => peer.Input.ReadToEndAsync().Soon());
        }
    }

    [Fact]
    public async Task A_tcp_connection_is_probed_and_does_not_wait_for_company()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        await using var connection = new SocketConnection(left);
        right.Dispose();
        Assert.True(left.NoDelay);
        Assert.Equal(1, left.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive));
        Assert.Equal(15, left.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime));
        Assert.Equal(5, left.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval));
        Assert.Equal(3, left.GetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount));
        if (OperatingSystem.IsLinux())
        {
            byte[] milliseconds = new byte[4];
            left.GetRawSocketOption(6, 18, milliseconds);
            Assert.Equal(30_000, BitConverter.ToInt32(milliseconds));
        }
    }

    [Fact]
    public async Task Misuse_is_told()
    {
        (SocketConnection connection, SocketConnection peer) = await ConnectAsync();
        await using (connection)
        await using (peer)
        {
            Task<ReadResult> pending = connection.Input.ReadAsync(Cancelled).AsTask();
            await Assert.ThrowsAsync<InvalidOperationException>(() => connection.Input.ReadAsync(Cancelled).AsTask());
            connection.Input.CancelPendingRead();
            ReadResult result = await pending.Soon();
            connection.Input.AdvanceTo(result.Buffer.End);
            Assert.Throws<InvalidOperationException>(() => connection.Input.AdvanceTo(result.Buffer.End));
            connection.Input.Complete();
            await Assert.ThrowsAsync<InvalidOperationException>(() => connection.Input.ReadAsync(Cancelled).AsTask());
            connection.Output.Complete();
            connection.Output.Complete();
            await Assert.ThrowsAsync<InvalidOperationException>(() => connection.Output.WriteAsync(new byte[1], Cancelled).AsTask());
        }
    }

    private static async Task AssertResetAsync(Func<Task> action)
    {
        IOException exception = await Assert.ThrowsAsync<IOException>(action);
        Assert.Equal(SocketError.ConnectionReset, Assert.IsType<SocketException>(exception.InnerException).SocketErrorCode);
    }

    private async Task<(SocketConnection Connection, SocketConnection Peer)> ConnectAsync()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        return (new SocketConnection(left, _pool), new SocketConnection(right));
    }
}
