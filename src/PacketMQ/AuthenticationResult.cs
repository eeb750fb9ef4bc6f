using System.Security.Claims;

namespace PacketMQ;

/// <summary>The answer of <see cref="PeerOptions.Authenticate"/>.</summary>
public sealed class AuthenticationResult
{
    private AuthenticationResult(bool isAccepted, ClaimsPrincipal? user, string? refusal)
        => (IsAccepted, User, Refusal) = (isAccepted, user, refusal);

    /// <summary>Whether the connection may be made.</summary>
    public bool IsAccepted { get; }

    /// <summary>Who the other side is, if the hook has said so.</summary>
    public ClaimsPrincipal? User { get; }

    /// <summary>Why the connection is refused; <see langword="null"/> if it is accepted.</summary>
    public string? Refusal { get; }

    /// <summary>Lets the connection go on.</summary>
    /// <param name="user">Who the other side is: <see cref="Connection.User"/> from now on.</param>
    public static AuthenticationResult Accept(ClaimsPrincipal? user = null) => new(true, user, null);

    /// <summary>Ends the connection as <see cref="CloseReason.AuthenticationFailed"/>.</summary>
    /// <param name="reason">
    /// Why, in a sentence for this side's log and <see cref="CloseInfo.Description"/>. The other side is not told it. What is not printable ASCII
    /// is escaped, and what is longer than 256 characters is cut.
    /// </param>
    public static AuthenticationResult Refuse(string reason)
    {
        ArgumentException.ThrowIfNullOrEmpty(reason);
        return new(false, null, reason);
    }
}
