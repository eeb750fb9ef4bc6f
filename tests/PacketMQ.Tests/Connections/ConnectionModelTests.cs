using PacketMQ.Tests.Connections.Life;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Connections;

/// <summary>
/// The life of connections against a plain model of it: what every call returns, what each side sees, in which order, and how it ends, after
/// each of many random steps. To hunt: <c>PACKETMQ_LIFE_SEED</c> begins elsewhere, <c>PACKETMQ_LIFE_ROUNDS</c> goes on longer.
/// </summary>
public sealed class ConnectionModelTests
{
    private static readonly int FirstSeed = Setting.Read("PACKETMQ_LIFE_SEED", 1);

    [Theory]
    [InlineData(Transport.Memory, 60)]
    [InlineData(Transport.TcpIPv4, 20)]
    public Task Step_by_step_connections_live_as_the_model_says(Transport transport, int rounds) => RunAsync(transport, rounds, async seed =>
    {
        await using var run = new LifeRun(transport, seed);
        await run.RunAsync();
    });

    [Theory]
    [InlineData(Transport.Memory, 10)]
    [InlineData(Transport.TcpIPv4, 10)]
    public Task Whatever_is_done_at_once_the_two_ends_of_a_connection_fit_together(Transport transport, int rounds) => RunAsync(transport, rounds, async seed =>
    {
        await using var race = new LifeRace(transport, seed);
        await race.RunAsync();
    });

    private static async Task RunAsync(Transport transport, int rounds, Func<int, Task> run)
    {
        rounds = Setting.Read("PACKETMQ_LIFE_ROUNDS", rounds);
        for (int seed = FirstSeed; seed < FirstSeed + rounds; seed++)
        {
            try
            {
                await run(seed);
            }
            catch (Exception exception)
            {
                throw new InvalidOperationException($"PACKETMQ_LIFE_SEED={seed} PACKETMQ_LIFE_ROUNDS=1, {transport}: {exception.Message}", exception);
            }
        }
    }
}
