using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections.Life;

/// <summary>A connection, what the application has seen of it, and the model that it must be like.</summary>
internal sealed class RealEnd(Connection connection)
{
    private readonly SemaphoreSlim _gate = new(0);
    private readonly List<string> _log = [];

    public Connection Connection => connection;

    public ModelEnd Model { get; set; } = null!;

    public bool HoldsMade { get; init; }

    public bool HoldsLost { get; init; }

    private string[] Log
    {
        get
        {
            lock (_log)
                return [.. _log];
        }
    }

    public void Add(string line)
    {
        lock (_log)
            _log.Add(line);
    }

    /// <summary>Code of the application that does not return before the test lets it.</summary>
    public async ValueTask HoldAsync(bool holds)
    {
        if (holds)
            await _gate.WaitAsync();
    }

    public void Open() => _gate.Release();

    public void OpenForGood() => _gate.Release(10_000);

    /// <summary>What is other than in the model. It may just not be so yet.</summary>
    public string? Difference()
    {
        string[] log = Log;
        bool isOver = connection.Closed.IsCompleted;
        bool isThere = connection.Peer.TryGetConnection(connection.Id, out _);
        bool isClosed = Model.State == ConnectionState.Closed;
        return !log.SequenceEqual(Model.Log) ? $"[{string.Join(", ", log)}] is not {Model}"
            : connection.State != Model.State ? $"The state is {connection.State}: {Model}"
            : connection.Closing.IsCancellationRequested != Model.Ending is not null ? $"The token is cancelled: {Model.Ending is null}: {Model}"
            : isOver != isClosed || isThere == isClosed ? $"It is over: {isOver}, and still found: {isThere}: {Model}"
            : isOver && EndingOf(connection) != Model.Ending ? $"It ended as {EndingOf(connection)}: {Model}"
            : null;
    }

    /// <summary>Lets an end that was cut off go on, and takes over what it saw, if it may have seen that.</summary>
    public async Task ResolveAsync()
    {
        OpenForGood();
        await connection.Closed.Soon();
        Ending ending = EndingOf(connection);
        (List<string> packets, List<Ending> endings) = Model.Possible();
        string[] log = Log;
        Assert.Equal(Model.Log, log.Take(Model.Log.Count));
        Assert.Equal(packets.Take(log.Length - Model.Log.Count - 1), log[Model.Log.Count..^1]);
        Assert.Equal($"lost {ending}", log[^1]);
        Assert.Contains(ending, endings);
        Model.Resolve(log, ending);
    }

    private static Ending EndingOf(Connection connection)
    {
        Assert.True(connection.Closed.IsCompletedSuccessfully);
        CloseInfo info = connection.Closed.GetAwaiter().GetResult();
        return new(info.Reason, info.Initiator);
    }
}
