using System.Net.Sockets;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

public sealed class SocketStreamTests
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task The_records_of_one_write_leave_together()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        await using var connection = new SocketConnection(left);
        using (right)
        {
            SocketStream stream = connection.OpenStream();
            byte[] record = Pattern.Bytes(0, 16_406);
            stream.BeginGathering(3 * 16 * 1024);
            for (int i = 0; i < 3; i++)
                await stream.WriteAsync(record, Cancelled);
            stream.EndGathering();
            Assert.Equal(0, right.Available);
            await stream.SendGatheredAsync(Cancelled);
            byte[] received = await ReceiveAsync(right, 3 * record.Length);
            Assert.Equal([.. record, .. record, .. record], received);
            Assert.Equal(0, connection.Output.UnflushedBytes);
        }
    }

    [Fact]
    public async Task More_records_than_a_batch_has_are_not_kept()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        await using var connection = new SocketConnection(left);
        using (right)
        {
            SocketStream stream = connection.OpenStream();
            byte[] record = Pattern.Bytes(0, 16_406);
            stream.BeginGathering(256 * 1024);
            for (int i = 1; i <= 4; i++)
            {
                Assert.True(stream.WriteAsync(record, Cancelled).IsCompletedSuccessfully);
                Assert.Equal(i == 4 ? 0 : i * record.Length, connection.Output.UnflushedBytes);
            }

            byte[] received = await ReceiveAsync(right, 4 * record.Length);
            Assert.Equal([.. record, .. record, .. record, .. record], received);
        }
    }

    [Fact]
    public async Task A_single_record_is_sent_at_once()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        await using var connection = new SocketConnection(left);
        using (right)
        {
            SocketStream stream = connection.OpenStream();
            stream.BeginGathering(16 * 1024);
            await stream.WriteAsync(Pattern.Bytes(0, 100), Cancelled);
            Assert.Equal(Pattern.Bytes(0, 100), await ReceiveAsync(right, 100));
        }
    }

    [Fact]
    public async Task What_has_gathered_when_the_write_is_cancelled_goes_out_ahead_of_the_next_write()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        await using var connection = new SocketConnection(left);
        using (right)
        {
            SocketStream stream = connection.OpenStream();
            using var cancel = new CancellationTokenSource();
            stream.BeginGathering(64 * 1024);
            await stream.WriteAsync(new byte[] { 1, 2 }, cancel.Token);
            await cancel.CancelAsync();
            stream.EndGathering();
            await stream.SendGatheredAsync(cancel.Token);
            Assert.True(stream.TakeCancellation());
            Assert.Equal(0, right.Available);
            await stream.WriteAsync(new byte[] { 3 }, Cancelled);
            Assert.Equal([1, 2, 3], await ReceiveAsync(right, 3));
        }
    }

    private static async Task<byte[]> ReceiveAsync(Socket socket, int count)
    {
        byte[] bytes = new byte[count];
        for (int received = 0; received < count;)
        {
            int more = await socket.ReceiveAsync(bytes.AsMemory(received), SocketFlags.None, Cancelled).AsTask().Soon();
            Assert.NotEqual(0, more);
            received += more;
        }

        return bytes;
    }
}
