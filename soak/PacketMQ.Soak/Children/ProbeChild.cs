using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace PacketMQ.Soak.Children;

/// <summary>Established clients that ask a question every 5 ms and keep the times of the answers.</summary>
internal static class ProbeChild
{
    public static async Task RunAsync(IPEndPoint server, int count)
    {
        var times = new List<double>();
        var begun = new Dictionary<Connection, long>();
        var answers = new SemaphoreSlim(0);
        await using Client client = Child.NewClient((_, context) =>
        {
            lock (times)
                times.Add(Stopwatch.GetElapsedTime(begun[context.Connection]).TotalMilliseconds);
            answers.Release();
        });
        Connection[] connections = await Task.WhenAll(Enumerable.Range(0, count).Select(_ => client.ConnectAsync(server))).ConfigureAwait(false);
        Task asking = Task.Run(async () =>
        {
            for (long number = 0; ; number++)
            {
                lock (times)
                {
                    foreach (Connection connection in connections)
                        begun[connection] = Stopwatch.GetTimestamp();
                }

                foreach (Connection connection in connections)
                    await connection.SendAsync(Traffic.EchoName, Traffic.Make(number, 100)).ConfigureAwait(false);
                for (int i = 0; i < connections.Length; i++)
                    await answers.WaitAsync().ConfigureAwait(false);
                await Task.Delay(5).ConfigureAwait(false);
            }
        });
        Child.Answer("ready");
        while (await Child.CommandAsync().ConfigureAwait(false) is { } command)
        {
            if (asking.IsCompleted)
                Console.WriteLine($"BREAK: the established clients stopped: {asking.Exception?.InnerException}");
            if (command == "connect")
            {
                long connecting = Stopwatch.GetTimestamp();
                while (true)
                {
                    try
                    {
                        Connection connection = await client.ConnectAsync(server).ConfigureAwait(false);
                        await connection.SoftQuitAsync().ConfigureAwait(false);
                        break;
                    }
                    catch (ConnectionClosedException)
                    {
                        await Task.Delay(10).ConfigureAwait(false);
                    }
                }

                Child.Answer(Stopwatch.GetElapsedTime(connecting).TotalMilliseconds.ToString("0.00", CultureInfo.InvariantCulture));
                continue;
            }

            lock (times)
            {
                times.Sort();
                Child.Answer((times.Count == 0 ? 0 : times[times.Count * 99 / 100]).ToString("0.000", CultureInfo.InvariantCulture));
                times.Clear();
            }
        }
    }
}
