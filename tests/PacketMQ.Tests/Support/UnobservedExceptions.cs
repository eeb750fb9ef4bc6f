using System.Collections.Concurrent;

namespace PacketMQ.Tests.Support;

/// <summary>Gathers the exceptions of tasks that nobody looked at. For tests that run alone: it is the whole process that it listens to.</summary>
internal sealed class UnobservedExceptions : IDisposable
{
    private readonly ConcurrentQueue<Exception> _exceptions = new();

    public UnobservedExceptions()
    {
        Collect(); // what tests before this one left lying is not its own
        TaskScheduler.UnobservedTaskException += Keep;
    }

    public void AssertNone()
    {
        Collect();
        Assert.Empty(_exceptions);
    }

    public void Dispose() => TaskScheduler.UnobservedTaskException -= Keep;

    private static void Collect()
    {
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
    }

    private void Keep(object? sender, UnobservedTaskExceptionEventArgs e) => _exceptions.Enqueue(e.Exception);
}
