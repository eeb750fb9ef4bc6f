using System.Collections.Immutable;

namespace PacketMQ.Tests.Faults;

/// <summary>A packet that keeps what arrives, and counts it.</summary>
internal sealed class EchoBox
{
    private readonly Lock _gate = new();
    private ImmutableArray<object?> _values = [];
    private (int Count, TaskCompletionSource Reached)? _awaited;

    public EchoBox() => Packet = Packet.Create((data, _) => Keep(data));

    public Packet Packet { get; }

    public ImmutableArray<object?> Values
    {
        get
        {
            lock (_gate)
                return _values;
        }
    }

    public void Clear()
    {
        lock (_gate)
            (_values, _awaited) = ([], null);
    }

    /// <summary>Completes when so many have arrived.</summary>
    public Task CountAsync(int count)
    {
        lock (_gate)
        {
            _awaited = (count, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            if (_values.Length >= count)
                _awaited.Value.Reached.SetResult();
            return _awaited.Value.Reached.Task;
        }
    }

    private void Keep(object? data)
    {
        lock (_gate)
        {
            _values = _values.Add(data);
            if (_awaited is { } awaited && _values.Length >= awaited.Count)
                awaited.Reached.TrySetResult();
        }
    }
}
