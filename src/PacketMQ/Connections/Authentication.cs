using System.Diagnostics.CodeAnalysis;
using System.Security.Claims;

namespace PacketMQ.Connections;

/// <summary>
/// Asks the application, once for each connection, whether the other side may come in: when it has introduced itself, and before it is told
/// this side's packets. Only a clear yes lets it in.
/// </summary>
internal sealed class Authentication(Connection connection, PeerOptions options)
{
    /// <summary>Whether the hook has accepted.</summary>
    public bool IsAccepted { get; private set; }

    /// <summary>Who the other side is, as the hook has said.</summary>
    public ClaimsPrincipal? User { get; private set; }

    /// <summary>Asks. A refusal ends the connection; if it is ending already, the answer does not matter. It never fails.</summary>
    [SuppressMessage("Design", "CA1031:Do not catch general exception types", Justification = "A hook that fails refuses.")]
    public async ValueTask AskAsync()
    {
        try
        {
            AuthenticationResult? result = await options.Authenticate!(new AuthenticationContext(connection), connection.Closing)
                .ConfigureAwait(false);
            if (result is { IsAccepted: true })
            {
                User = result.User;
                IsAccepted = true;
            }
            else
            {
                Refuse(result is null ? "The hook for authentication gave no answer." : PrintableText.Escape(result.Refusal));
            }
        }
        catch (OperationCanceledException) when (connection.Closing.IsCancellationRequested)
        {
            // It gave up because the connection ends, for a reason of its own.
        }
        catch (Exception exception)
        {
            if (connection.Peer.Repeated.IsNews(ConnectionLog.AuthenticationThrewId, exception.GetType().Name))
                ConnectionLog.AuthenticationThrew(connection.Logger, exception, connection.Id);
            Refuse("The hook for authentication threw.", exception);
        }
    }

    private void Refuse(string description, Exception? exception = null)
        => connection.RequestClose(new CloseRequest(
            new CloseInfo(CloseReason.AuthenticationFailed, CloseInitiator.Local, description) { Exception = exception }, Farewell.SoftQuit));
}
