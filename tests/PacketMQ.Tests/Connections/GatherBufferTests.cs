using PacketMQ.Connections;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>What has gathered stays when there is no memory for more.</summary>
public sealed class GatherBufferTests
{
    private readonly PoorAccount _account = new();

    [Fact]
    public void Shared_frames_stay_where_they_are_when_there_is_no_memory_to_put_another_behind_them()
    {
        var gathered = new GatherBuffer(_account);
        var shared = new SharedFrames(100);
        int start = shared.Append(new EncodedFrame(1, [1, 2, 3]));
        gathered.Append(shared, start, shared.Count);
        _account.IsPoor = true;
        Assert.Throws<OutOfMemoryException>(() => gathered.Reserve(10).Clear());
        Assert.Throws<OutOfMemoryException>(() => gathered.Append(new SharedFrames(100), 0, 10));
        Assert.Equal(shared.Count, gathered.Count);

        _account.IsPoor = false;
        gathered.Reserve(2).Fill(9);
        GatheredBatch batch = gathered.Take();
        Assert.Equal([.. shared.Slice(start, shared.Count).Span, 9, 9], batch.Piece(0, batch.Count).ToArray());
        gathered.GiveBack(batch);
        gathered.Release();
        Assert.Equal(0, _account.Held);
    }

    [Fact]
    public void Own_frames_stay_when_there_is_no_memory_to_grow()
    {
        var gathered = new GatherBuffer(_account);
        gathered.Reserve(4_000).Fill(7);
        _account.IsPoor = true;
        Assert.Throws<OutOfMemoryException>(() => gathered.Reserve(100_000).Clear());
        Assert.Equal(4_000, gathered.Count);
        _account.IsPoor = false;
        gathered.Reserve(100_000).Fill(8);
        GatheredBatch batch = gathered.Take();
        Assert.Equal([.. Enumerable.Repeat((byte)7, 4_000), .. Enumerable.Repeat((byte)8, 100_000)], batch.Piece(0, batch.Count).ToArray());
        gathered.GiveBack(batch);
        gathered.Release();
        Assert.Equal(0, _account.Held);
    }
}
