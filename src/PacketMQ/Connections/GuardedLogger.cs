using System.Diagnostics.CodeAnalysis;
using Microsoft.Extensions.Logging;

namespace PacketMQ.Connections;

/// <summary>
/// The application's log, whose own failures stay there: a provider that throws (a full disk, a test that is over) must not end an
/// accept loop, or keep a connection from ending.
/// </summary>
[SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "There is nobody left to tell that the log failed.")]
internal sealed class GuardedLogger(ILogger inner) : ILogger
{
    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => inner.BeginScope(state);

    public bool IsEnabled(LogLevel logLevel)
    {
        try
        {
            return inner.IsEnabled(logLevel);
        }
        catch (Exception)
        {
            return false;
        }
    }

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        try
        {
            inner.Log(logLevel, eventId, state, exception, formatter);
        }
        catch (Exception)
        {
            // The connections matter more than the log.
        }
    }
}
