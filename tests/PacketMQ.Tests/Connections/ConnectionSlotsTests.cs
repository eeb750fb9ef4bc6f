using System.Runtime.CompilerServices;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>The order of connections, against a dictionary, and under the eyes of readers.</summary>
public sealed class ConnectionSlotsTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void They_hold_what_a_dictionary_would_hold(int seed)
    {
        var random = new Random(seed);
        var slots = new ConnectionSlots();
        var model = new SortedList<long, Connection>();
        long last = 0;
        int timesEmpty = 0;
        for (int step = 0; step < 20_000; step++)
        {
            // It grows to some hundreds, and shrinks again to nothing, time and again.
            if (random.NextDouble() < (step / 1_000 % 2 == 0 ? 0.7 : 0.2))
            {
                Connection made = Make(++last);
                slots.Add(made);
                model.Add(last, made);
            }
            else
            {
                long id = model.Count == 0 || random.Next(10) == 0 ? random.NextInt64(last + 2) : model.GetKeyAtIndex(random.Next(model.Count));
                Assert.Equal(model.Remove(id), slots.TryRemove(id));
            }

            long sought = random.NextInt64(last + 2);
            Assert.Equal(model.TryGetValue(sought, out Connection? expected), slots.TryFind(sought, out Connection? found));
            Assert.Same(expected, found);
            Assert.Equal(model.Count == 0, slots.IsEmpty);
            timesEmpty += model.Count == 0 ? 1 : 0;
            if (step % 100 == 0)
                Assert.Equal(model.Values, slots.All);
        }

        Assert.InRange(timesEmpty, 10, 10_000);
    }

    [Fact]
    public async Task Readers_miss_nobody_who_stays_while_others_come_and_go()
    {
        var slots = new ConnectionSlots();
        Connection[] stay = [.. Enumerable.Range(0, 50).Select(i => Make((i * 40) + 1))];
        long last = 0;
        var comers = new Queue<long>();
        void Come(long id)
        {
            Connection? made = id % 40 == 1 && id <= 50 * 40 ? stay[id / 40] : null;
            slots.Add(made ?? Make(id));
            if (made is null)
                comers.Enqueue(id);
        }

        while (last < 50 * 40)
            Come(++last);
        using var end = new CancellationTokenSource();
        int looks = 0;
        Task[] readers = [.. Enumerable.Range(0, 2).Select(_ => Task.Run(() =>
        {
            do
            {
                Assert.All(stay, connection => Assert.True(slots.TryFind(connection.Id, out Connection? found) && found == connection));
                long[] ids = [.. slots.All.Select(connection => connection.Id)];
                Assert.Equal(ids.Order(), ids);
                Assert.Equal(stay.Length, ids.Count(id => id % 40 == 1 && id <= 50 * 40));
                Interlocked.Increment(ref looks);
            }
            while (!end.IsCancellationRequested);
        }))];
        try
        {
            for (int wave = 0; (wave < 200 || Volatile.Read(ref looks) < 10) && !readers.Any(reader => reader.IsCompleted); wave++)
            {
                while (comers.Count > 0)
                    Assert.True(slots.TryRemove(comers.Dequeue()));
                for (int i = 0; i < 300; i++)
                    Come(++last);
            }
        }
        finally
        {
            await end.CancelAsync();
            await Task.WhenAll(readers).Soon();
        }
    }

    [Fact]
    public void Who_has_gone_is_not_kept_alive()
    {
        var slots = new ConnectionSlots();
        WeakReference gone = AddAndRemove(slots);
        GC.Collect();
        Assert.False(gone.IsAlive);
        Assert.True(slots.IsEmpty);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference AddAndRemove(ConnectionSlots slots)
    {
        Connection connection = Make(1);
        slots.Add(connection);
        slots.TryRemove(1);
        return new WeakReference(connection);
    }

    // Nothing but its id is looked at.
    private static Connection Make(long id)
    {
        var connection = (Connection)RuntimeHelpers.GetUninitializedObject(typeof(Connection));
        connection.Id = id;
        return connection;
    }
}
