namespace PeerBench.Sweeps;

/// <summary>One measurement of a sweep, as written to sweep.json.</summary>
/// <param name="Sweep">Which sweep, and so which table.</param>
/// <param name="X">The value that the sweep goes over: connections, bytes of payload, threads.</param>
/// <param name="Round">From 1.</param>
/// <param name="Peer">Who.</param>
/// <param name="PayloadBytes">The opaque payload of each message.</param>
/// <param name="MessagesPerSecond">At the receiver, from the first to the last.</param>
/// <param name="SenderBytes">Allocated per message in the sending process.</param>
/// <param name="ReceiverBytes">Allocated per message in the receiving process.</param>
/// <param name="SenderCpu">User and system µs per message in the sending process.</param>
/// <param name="ReceiverCpu">User and system µs per message in the receiving process.</param>
/// <param name="SenderPeakMiB">The most memory that the sending process had resident: what it let itself get ahead, among others.</param>
/// <param name="Failure">Why there are no figures.</param>
public sealed record SweepPoint(
    string Sweep, int X, int Round, string Peer, int PayloadBytes, double MessagesPerSecond = double.NaN, double SenderBytes = double.NaN,
    double ReceiverBytes = double.NaN, double SenderCpu = double.NaN, double ReceiverCpu = double.NaN,
    double SenderPeakMiB = double.NaN, string? Failure = null);
