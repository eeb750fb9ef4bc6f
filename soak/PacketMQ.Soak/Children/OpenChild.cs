using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace PacketMQ.Soak.Children;

/// <summary>Opens connections and holds them until it is told to reset them all.</summary>
internal static class OpenChild
{
    public static async Task RunAsync(IPEndPoint server, int count)
    {
        await using Client client = Child.NewClient();
        var ends = new System.Collections.Concurrent.ConcurrentQueue<string>();
        client.ConnectionLost += (_, lost) => ends.Enqueue(lost.CloseInfo.Reason.Name);
        Child.Answer("ready");
        while (await Child.CommandAsync().ConfigureAwait(false) is { } command)
        {
            if (command == "open")
            {
                int left = count;
                int failures = 0;
                await Task.WhenAll(Enumerable.Range(0, 64).Select(async _ =>
                {
                    while (Interlocked.Decrement(ref left) >= 0)
                    {
                        try
                        {
                            await client.ConnectAsync(server).ConfigureAwait(false);
                        }
                        catch (ConnectionClosedException exception)
                        {
                            Interlocked.Increment(ref failures);
                            Console.WriteLine($"a connection failed: {exception.CloseInfo}");
                        }
                    }
                })).ConfigureAwait(false);
                Child.Answer($"{failures}");
            }
            else if (command == "count")
            {
                Child.Answer($"{client.Connections.Length} connections; lost: {string.Join(", ", ends)}");
            }
            else if (command.StartsWith("starve ", StringComparison.Ordinal))
            {
                double starved = await Starvation.ForAsync(TimeSpan.FromSeconds(int.Parse(command[7..], CultureInfo.InvariantCulture))).ConfigureAwait(false);
                Child.Answer(string.Create(CultureInfo.InvariantCulture, $"{starved:0.000}"));
            }
            else if (command == "reset")
            {
                long begun = Stopwatch.GetTimestamp();
                foreach (Connection connection in client.Connections)
                    connection.Abort();
                Child.Answer($"{Stopwatch.GetElapsedTime(begun).TotalMilliseconds:0}");
            }
        }
    }
}
