using System.Runtime.CompilerServices;
using PacketMQ.Connections;

namespace PacketMQ.Tests.Connections;

public sealed class BufferPoolTests
{
    [Theory]
    [InlineData(1, 4_096)]
    [InlineData(4_096, 4_096)]
    [InlineData(4_097, 8_192)]
    [InlineData(65_536, 65_536)]
    [InlineData(1_048_576, 1_048_576)]
    public void An_array_holds_what_was_asked_for_and_its_size_is_a_power_of_two(int asked, int length)
        => Assert.Equal(length, new BufferPool().Rent(asked).Length);

    [Fact]
    public void Trimming_allocates_nothing()
    {
        TrimOne(); // compiles it
        Assert.Equal(0, TrimOne());

        static long TrimOne()
        {
            var pool = new BufferPool();
            pool.Return(pool.Rent(8_000));
            long before = GC.GetAllocatedBytesForCurrentThread();
            pool.Trim();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }
    }

    [Fact]
    public void What_was_given_back_is_rented_again()
    {
        var pool = new BufferPool();
        byte[][] arrays = [.. Enumerable.Range(0, 1_000).Select(_ => pool.Rent(8_000))];
        foreach (byte[] array in arrays)
            pool.Return(array);
        Assert.Equal(1_000 * 8_192, pool.Kept);
        var known = new HashSet<byte[]>(arrays);
        for (int i = 0; i < arrays.Length; i++)
            Assert.True(known.Remove(pool.Rent(8_192)));
        Assert.Equal(0, pool.Kept);
        Assert.NotSame(pool.Rent(8_192), pool.Rent(8_192));
    }

    [Fact]
    public void It_tells_how_much_was_out_at_once()
    {
        var pool = new BufferPool();
        byte[] before = pool.Rent(1 << 20);
        pool.BeginMost();
        pool.Return(before);
        byte[] kept = pool.Rent(8_000);
        pool.Return(pool.Rent(60_000));
        pool.Return(kept);
        pool.Return(pool.Rent(30_000));
        Assert.Equal(8_192 + 65_536, pool.MostLent);
    }

    [Fact]
    public void It_keeps_no_more_than_its_bound()
    {
        var pool = new BufferPool();
        byte[][] arrays = [.. Enumerable.Range(0, (BufferPool.KeptBytes / BufferPool.LargestArray) + 5).Select(_ => pool.Rent(BufferPool.LargestArray))];
        foreach (byte[] array in arrays)
            pool.Return(array);
        Assert.Equal(BufferPool.KeptBytes, pool.Kept);
    }

    [Fact]
    public void Other_sizes_are_left_to_the_shared_pool()
    {
        var pool = new BufferPool();
        byte[] large = pool.Rent(BufferPool.LargestArray + 1);
        Assert.True(large.Length > BufferPool.LargestArray);
        pool.Return(large);
        pool.Return(new byte[16]);
        Assert.Empty(pool.Rent(0));
        Assert.Equal(0, pool.Kept);
    }

    [Fact]
    public void An_array_is_cleared_on_request()
    {
        var pool = new BufferPool();
        byte[] array = pool.Rent(4_096);
        array.AsSpan().Fill(1);
        pool.Return(array, clearArray: true);
        Assert.Same(array, pool.Rent(4_096));
        Assert.All(array, value => Assert.Equal(0, value));
    }

    [Fact]
    public void A_collection_of_the_oldest_generation_lets_what_is_not_needed_go()
    {
        BufferPool pool = BufferPool.CreateTrimmed();
        byte[][] arrays = [.. Enumerable.Range(0, 7).Select(_ => pool.Rent(4_096))];
        foreach (byte[] array in arrays)
            pool.Return(array);
        for (int i = 0; i < 20 && pool.Kept > 0; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.Equal(0, pool.Kept);
    }

    [Fact]
    public void A_pool_that_nobody_holds_is_collected()
    {
        WeakReference pool = Abandoned();
        for (int i = 0; i < 20 && pool.IsAlive; i++)
        {
            GC.Collect();
            GC.WaitForPendingFinalizers();
        }

        Assert.False(pool.IsAlive);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference Abandoned() => new(BufferPool.CreateTrimmed());
}
