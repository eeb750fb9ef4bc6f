using System.Net;

namespace PacketMQ.Tool.Output;

/// <summary>Tells the user what happens. All members may be called from any thread; what two of them print does not mix.</summary>
/// <param name="gate">What <see cref="Gate"/> gives.</param>
internal abstract class Report(Lock gate)
{
    /// <summary>While it is held, nobody else's lines are printed.</summary>
    public Lock Gate => gate;

    /// <summary>The report of <c>serve</c>.</summary>
    public static Report ForServer(Surroundings surroundings, bool isJson)
        => isJson ? new JsonReport(new JsonLines(surroundings.Output)) : new ServerReport(new Screen(surroundings));

    /// <summary>The report of <c>send</c> and <c>listen</c>.</summary>
    /// <param name="surroundings">Where to print.</param>
    /// <param name="isJson">Whether a script reads it.</param>
    /// <param name="announces">Whether people are told, too, that the connection is made.</param>
    public static Report ForVisitor(Surroundings surroundings, bool isJson, bool announces)
        => isJson ? new JsonReport(new JsonLines(surroundings.Output)) : new VisitorReport(new Screen(surroundings), announces);

    /// <summary>The server listens.</summary>
    public virtual void Listening(EndPoint endPoint)
    {
    }

    /// <summary>What the server serves.</summary>
    public virtual void Serving(IReadOnlyList<ServedPacket> packets)
    {
    }

    /// <summary>A connection is made.</summary>
    public virtual void Made(Connection connection)
    {
    }

    /// <summary>A connection that was made has ended.</summary>
    public virtual void Lost(Connection connection, CloseInfo closeInfo)
    {
    }

    /// <summary>A connection was not made. There is none if nobody answered.</summary>
    public virtual void Refused(Connection? connection, CloseInfo closeInfo)
    {
    }

    /// <summary>A value was sent.</summary>
    public virtual void Sent(Connection connection, string name, object? value)
    {
    }

    /// <summary>A value came.</summary>
    /// <param name="connection">From where.</param>
    /// <param name="name">The packet's name.</param>
    /// <param name="value">The value.</param>
    /// <param name="replyName">The name under which it goes back, if it does.</param>
    public abstract void Received(Connection connection, string name, object? value, string? replyName = null);

    /// <summary>A value came but could not be handled.</summary>
    public virtual void Failed(Connection connection, string name, Exception exception)
    {
    }
}
