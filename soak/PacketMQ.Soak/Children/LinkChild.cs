using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;

namespace PacketMQ.Soak.Children;

/// <summary>A server and its clients in a network of their own, with a <see cref="BadLink"/> between them.</summary>
internal static class LinkChild
{
    private const int Questions = 64;
    private const int Askers = 20;
    private const int UsualMtu = 1_500;

    private static readonly TimeSpan Stall = TimeSpan.FromSeconds(20);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(60);

    public static async Task RunAsync()
    {
        using BadLink link = await BadLink.OpenAsync().ConfigureAwait(false);
        Child.Answer("ready");
        while (await Child.CommandAsync().ConfigureAwait(false) is { } command)
        {
            string[] words = command.Split(' ');
            double[] numbers = [.. words[1..].Select(word => double.Parse(word, CultureInfo.InvariantCulture))];
            if (words[0] == "stall")
                Child.Answer(await StallAsync(link).ConfigureAwait(false));
            else if (words[0] == "carry")
                Child.Answer(await CarryAsync((int)numbers[0], (int)numbers[1]).ConfigureAwait(false));
            else
                await AskAsync(link, new Weather(numbers[0], numbers[1], numbers[2], TimeSpan.FromMilliseconds(numbers[3]), TimeSpan.FromMilliseconds(numbers[4]))).ConfigureAwait(false);
        }
    }

    /// <summary>
    /// The link loses everything for 20 s, in which questions are asked all the time, and then nothing. All of them fit into the kernel's buffer: who is
    /// sent more than that, and takes nothing for 10 s, is given up (SendTimeout).
    /// </summary>
    private static async Task<string> StallAsync(BadLink link)
    {
        await using var server = new SoakServer(address: Near(0));
        int answers = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using Client client = Child.NewClient((_, _) =>
        {
            if (Interlocked.Increment(ref answers) == Questions)
                all.SetResult();
        });
        Connection connection = await client.ConnectAsync(Far(0, server)).ConfigureAwait(false);
        link.Weather = new Weather { Lost = 1 };
        for (int i = 0; i < Questions; i++)
        {
            await connection.SendAsync(Traffic.EchoName, Traffic.Make(i, 100)).ConfigureAwait(false);
            await Task.Delay(Stall / Questions).ConfigureAwait(false);
        }

        link.Weather = default;
        long begun = Stopwatch.GetTimestamp();
        await Task.WhenAny(all.Task, connection.Closed, Task.Delay(Patience)).ConfigureAwait(false);
        if (connection.Closed.IsCompleted)
            Console.WriteLine($"BREAK: {await connection.Closed.ConfigureAwait(false)}; the server: {server.Reasons}");
        return string.Create(CultureInfo.InvariantCulture, $"{Volatile.Read(ref answers)} {Stopwatch.GetElapsedTime(begun).TotalSeconds:0.00} {server.Breaks}");
    }

    /// <summary>Packets of up to 99 000 bytes there and back, over a link whose own packets are so large at most.</summary>
    private static async Task<string> CarryAsync(int kind, int mtu)
    {
        await BadLink.SetMtuAsync(mtu).ConfigureAwait(false);
        await using var server = new SoakServer(address: Near(kind));
        long answers = 0;
        var all = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await using Client client = Child.NewClient((data, _) =>
        {
            if (!Traffic.TryRead(data, out long number) || number != answers)
                Console.WriteLine($"BREAK: {number} came back in the place of {answers}");
            if (++answers == Questions)
                all.SetResult();
        });
        Connection connection = await client.ConnectAsync(Far(kind, server)).ConfigureAwait(false);
        for (int i = 0; i < Questions; i++)
            await connection.SendAsync(Traffic.EchoName, Traffic.Make(i, i * 99_000 / Questions)).ConfigureAwait(false);
        await Task.WhenAny(all.Task, connection.Closed, Task.Delay(Patience)).ConfigureAwait(false);
        await BadLink.SetMtuAsync(UsualMtu).ConfigureAwait(false);
        return $"{Volatile.Read(ref answers)}";
    }

    /// <summary>Clients that ask one question after the other, until the next command.</summary>
    private static async Task AskAsync(BadLink link, Weather weather)
    {
        await using var server = new SoakServer(address: Near(0));
        var ends = new ConcurrentDictionary<string, int>();
        link.Weather = weather;
        Asker[] askers = [.. Enumerable.Range(0, Askers).Select(i => new Asker(Far(0, server), i, ends))];
        TimeSpan processor = Environment.CpuUsage.TotalTime;
        long begun = Stopwatch.GetTimestamp();
        Child.Answer("asking");
        while (await Child.CommandAsync().ConfigureAwait(false) is { } command)
        {
            double cores = (Environment.CpuUsage.TotalTime - processor) / Stopwatch.GetElapsedTime(begun);
            Child.Answer(string.Create(CultureInfo.InvariantCulture, $"{askers.Sum(asker => asker.Answered)} {askers.Count(asker => asker.Answered == 0)} {ends.Values.Sum()} {server.Breaks} {cores:0.000} {Runs.RestartRun.Text(ends)}"));
            if (command == "stop")
                break;
        }

        link.Weather = default;
        foreach (Asker asker in askers)
            await asker.DisposeAsync().ConfigureAwait(false);
    }

    private static IPAddress Near(int kind) => IPAddress.Parse(BadLink.Ends[kind].Near);

    private static IPEndPoint Far(int kind, SoakServer server) => new(IPAddress.Parse(BadLink.Ends[kind].Far), server.EndPoint.Port);
}
