using System.Diagnostics.CodeAnalysis;

namespace PacketMQ.Connections;

/// <summary>
/// Calls of the application's code that belongs to a connection's life: callbacks, and what its end waits for. They neither fail the
/// connection nor hold up its end.
/// </summary>
internal readonly struct ApplicationCalls(Connection connection)
{
    /// <summary>Makes a call. What it throws is logged.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An application's callback must not keep a connection from ending.")]
    public void Make(string occasion, Action<Connection> call)
    {
        try
        {
            call(connection);
        }
        catch (Exception exception)
        {
            LogFailure(exception, occasion);
        }
    }

    /// <summary>Makes a call and waits for it. What it throws is logged.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "An application's callback must not keep a connection from ending.")]
    public async ValueTask MakeAsync(string occasion, Func<Connection, Task> call)
    {
        try
        {
            await call(connection).ConfigureAwait(false);
        }
        catch (Exception exception)
        {
            LogFailure(exception, occasion);
        }
    }

    private void LogFailure(Exception exception, string occasion)
    {
        if (connection.Peer.Repeated.IsNews(ConnectionLog.CallbackFailedId, $"{occasion}, {exception.GetType().Name}"))
            ConnectionLog.CallbackFailed(connection.Logger, exception, connection.Id, occasion);
    }

    /// <summary>Whether code of the application that the end waits for returns within the close time-out. Then nobody waits for it any more.</summary>
    public async Task<bool> CompletesInTimeAsync(string step, Task task)
    {
        Peer peer = connection.Peer;
        try
        {
            await task.WaitAsync(peer.Options.CloseTimeout, peer.Options.TimeProvider).ConfigureAwait(false);
            return true;
        }
        catch (TimeoutException)
        {
            if (task.IsCompleted) // just now, or with an exception of this kind
            {
                await task.ConfigureAwait(false);
                return true;
            }

            if (peer.Repeated.IsNews(ConnectionLog.CloseStepTimedOutId, step))
                ConnectionLog.CloseStepTimedOut(connection.Logger, connection.Id, step, peer.Options.CloseTimeout);
            ConnectionEnd.Observe(task);
            return false;
        }
    }
}
