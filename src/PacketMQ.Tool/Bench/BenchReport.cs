using PacketMQ.Tool.Output;

namespace PacketMQ.Tool.Bench;

/// <summary>Tells the user how the measurements go.</summary>
internal abstract class BenchReport
{
    /// <summary>Makes the report that the user wants.</summary>
    public static BenchReport Create(Surroundings surroundings, bool isJson)
        => isJson ? new JsonBenchReport(new JsonLines(surroundings.Output)) : new PeopleBenchReport(new Screen(surroundings));

    /// <summary>All connections are made.</summary>
    public abstract void Begins(BenchSetting setting);

    /// <summary>The measurements one way begin.</summary>
    public virtual void OneWayBegins()
    {
    }

    /// <summary>One of them goes on.</summary>
    /// <param name="size">The payload, in bytes.</param>
    /// <param name="share">How much of its time is over, 0 to 1.</param>
    /// <param name="soFar">What it has found so far; null while it warms up.</param>
    public virtual void OneWayProgress(int size, double share, OneWayResult? soFar)
    {
    }

    /// <summary>One of them is over.</summary>
    public virtual void OneWay(OneWayResult result)
    {
    }

    /// <summary>The measurements of round trips begin.</summary>
    public virtual void RoundTripsBegin(int size)
    {
    }

    /// <summary>One of them goes on.</summary>
    /// <param name="window">How many are under way on each connection.</param>
    /// <param name="share">How much of its time is over, 0 to 1.</param>
    /// <param name="soFar">What it has found so far; null while it warms up.</param>
    public virtual void RoundTripsProgress(int window, double share, EchoResult? soFar)
    {
    }

    /// <summary>One of them is over.</summary>
    public virtual void RoundTrips(EchoResult result)
    {
    }

    /// <summary>It is over: also after an interruption or a failure.</summary>
    public abstract void Ends(BenchResults results);
}
