using System.Net.Sockets;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

public sealed class SocketStreamTests : IAsyncLifetime
{
    private readonly byte[] _record = Pattern.Bytes(0, 16_406);
    private readonly BufferAccount _account = Accounts.New();
    private SocketConnection _connection = null!;
    private SocketStream _stream = null!;
    private Socket _far = null!;

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    public async ValueTask InitializeAsync()
    {
        (Socket near, _far) = await SocketPair.ConnectSocketsAsync();
        _connection = new SocketConnection(near);
        _connection.UsePool(_account);
        _stream = _connection.OpenStream();
    }

    public async ValueTask DisposeAsync()
    {
        await _connection.DisposeAsync();
        _far.Dispose();
    }

    [Fact]
    public async Task The_records_of_one_write_leave_together()
    {
        _stream.BeginGathering(3 * 16 * 1024);
        for (int i = 0; i < 3; i++)
            await _stream.WriteAsync(_record, Cancelled);
        _stream.EndGathering();
        Assert.Equal(0, _far.Available);
        await _stream.SendGatheredAsync(Cancelled);
        byte[] received = await ReceiveAsync(3 * _record.Length);
        Assert.Equal([.. _record, .. _record, .. _record], received);
        Assert.Equal(0, _connection.Output.UnflushedBytes);
    }

    [Fact]
    public async Task More_records_than_a_batch_has_are_not_kept()
    {
        _stream.BeginGathering(256 * 1024);
        for (int i = 1; i <= 4; i++)
        {
            Assert.True(_stream.WriteAsync(_record, Cancelled).IsCompletedSuccessfully);
            Assert.Equal(i == 4 ? 0 : i * _record.Length, _connection.Output.UnflushedBytes);
        }

        byte[] received = await ReceiveAsync(4 * _record.Length);
        Assert.Equal([.. _record, .. _record, .. _record, .. _record], received);
    }

    [Fact]
    public async Task What_gathers_counts_to_the_connection()
    {
        _stream.BeginGathering(3 * 16 * 1024);
        await _stream.WriteAsync(_record, Cancelled);
        Assert.InRange(_account.Held, 3 * 16 * 1024, 128 * 1024);
        _stream.EndGathering();
        await _stream.SendGatheredAsync(Cancelled);
        Assert.Equal(0, _account.Held);
    }

    [Fact]
    public async Task A_single_record_is_sent_at_once()
    {
        _stream.BeginGathering(16 * 1024);
        await _stream.WriteAsync(Pattern.Bytes(0, 100), Cancelled);
        Assert.Equal(Pattern.Bytes(0, 100), await ReceiveAsync(100));
    }

    [Fact]
    public async Task What_has_gathered_when_the_write_is_cancelled_goes_out_ahead_of_the_next_write()
    {
        using var cancel = new CancellationTokenSource();
        _stream.BeginGathering(64 * 1024);
        await _stream.WriteAsync(new byte[] { 1, 2 }, cancel.Token);
        await cancel.CancelAsync();
        _stream.EndGathering();
        await _stream.SendGatheredAsync(cancel.Token);
        Assert.True(_stream.TakeCancellation());
        Assert.Equal(0, _far.Available);
        await _stream.WriteAsync(new byte[] { 3 }, Cancelled);
        Assert.Equal([1, 2, 3], await ReceiveAsync(3));
    }

    private async Task<byte[]> ReceiveAsync(int count)
    {
        byte[] bytes = new byte[count];
        for (int received = 0; received < count;)
        {
            int more = await _far.ReceiveAsync(bytes.AsMemory(received), SocketFlags.None, Cancelled).AsTask().Soon();
            Assert.NotEqual(0, more);
            received += more;
        }

        return bytes;
    }
}
