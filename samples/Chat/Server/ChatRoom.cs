using System.Diagnostics.CodeAnalysis;

namespace PacketMQ.Samples.Chat;

/// <summary>Who is in the room. Handlers of different connections run side by side, so it locks.</summary>
internal sealed class ChatRoom
{
    public const int MaxNickLength = 16;
    public const int MaxTextLength = 500;

    private readonly Lock _gate = new();
    private readonly Dictionary<long, string> _nicks = [];

    public string[] Nicks
    {
        get
        {
            lock (_gate)
                return [.. _nicks.Values.Order(StringComparer.OrdinalIgnoreCase)];
        }
    }

    /// <summary>What is wrong with a nickname as such, or null.</summary>
    public static string? Judge(string nick)
        => nick.Length is 0 or > MaxNickLength ? $"A nickname has 1 to {MaxNickLength} characters."
        : !nick.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') ? "A nickname is made of letters from a to z, digits, '-' and '_'."
        : null;

    /// <summary>Gives a connection a name that nobody else has, in capitals or not.</summary>
    /// <param name="id">The connection's id.</param>
    /// <param name="nick">The new name.</param>
    /// <param name="before">The name that it had; null if it is new in the room.</param>
    public bool TryName(long id, string nick, out string? before)
    {
        lock (_gate)
        {
            before = _nicks.GetValueOrDefault(id);
            if (_nicks.Any(other => other.Key != id && other.Value.Equals(nick, StringComparison.OrdinalIgnoreCase)))
                return false;
            _nicks[id] = nick;
            return true;
        }
    }

    public bool TryGetNick(long id, [NotNullWhen(true)] out string? nick)
    {
        lock (_gate)
            return _nicks.TryGetValue(id, out nick);
    }

    public bool TryFind(string nick, out long id)
    {
        lock (_gate)
        {
            foreach ((long candidate, string name) in _nicks)
            {
                if (name.Equals(nick, StringComparison.OrdinalIgnoreCase))
                {
                    id = candidate;
                    return true;
                }
            }
        }

        id = 0;
        return false;
    }

    public bool Remove(long id, [NotNullWhen(true)] out string? nick)
    {
        lock (_gate)
            return _nicks.Remove(id, out nick);
    }
}
