using System.Runtime.CompilerServices;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

public sealed class ConnectionTableTests
{
    private readonly WatchedTime _time = new();

    [Fact]
    public void What_a_broadcast_saw_is_forgotten_with_the_connection_that_ended()
    {
        using var table = new ConnectionTable(_time, () => { }, exception => Assert.Fail(exception.ToString()));
        WeakReference ended = AddPictureAndRemove(table);
        _time.Beat(1);
        GC.Collect();
        Assert.False(ended.IsAlive);
        Assert.Empty(table.Snapshot());
    }

    [Fact]
    public void While_nobody_comes_or_goes_broadcasts_see_the_same_picture()
    {
        using var table = new ConnectionTable(_time, () => { }, exception => Assert.Fail(exception.ToString()));
        Assert.Same(table.Snapshot(), table.Snapshot());
        AddPictureAndRemove(table);
        Connection[] without = table.Snapshot();
        Assert.Empty(without);
        Assert.Same(without, table.Snapshot());
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static WeakReference AddPictureAndRemove(ConnectionTable table)
    {
        // Nothing but its id is looked at.
        var connection = (Connection)RuntimeHelpers.GetUninitializedObject(typeof(Connection));
        Assert.True(table.TryAdd(connection));
        Assert.Same(connection, Assert.Single(table.Snapshot()));
        table.Remove(connection);
        return new WeakReference(connection);
    }
}
