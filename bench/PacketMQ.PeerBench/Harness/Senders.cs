using System.Diagnostics;

namespace PeerBench;

/// <summary>The loops of the sending process.</summary>
public static class Senders
{
    /// <summary>On one connection, one after the other; stops at the count or after the time, whichever comes first.</summary>
    public static async Task<long> SendAsync(PeerClient client, Scenario scenario, byte[] payload, long count, double seconds)
    {
        var clock = Stopwatch.StartNew();
        long sent = 0;
        while (sent < count && clock.Elapsed.TotalSeconds < seconds)
        {
            long stop = Math.Min(count, sent + 64);
            if (scenario.Work == Work.W1m)
                for (; sent < stop; sent++)
                    await client.SendSampleAsync((int)sent, "abcdefgh", (int)sent * 0.5);
            else
                for (; sent < stop; sent++)
                    await client.SendAsync(payload);
        }

        await client.FlushAsync();
        return sent;
    }

    /// <summary>Over all connections in turn, <paramref name="run"/> messages on each before the next one.</summary>
    public static async Task<long> SpreadAsync(List<PeerClient> clients, byte[] payload, long count, double seconds, int run)
    {
        var clock = Stopwatch.StartNew();
        long sent = 0;
        for (int at = 0; sent < count; at = (at + 1) % clients.Count)
        {
            if (at % 64 == 0 && clock.Elapsed.TotalSeconds >= seconds)
                break;
            for (long stop = Math.Min(count, sent + run); sent < stop; sent++)
                await clients[at].SendAsync(payload);
        }

        foreach (var client in clients)
            await client.FlushAsync();
        return sent;
    }

    /// <summary>On one connection from several threads, which block while the library pushes back.</summary>
    public static long SendFromThreads(PeerClient client, byte[] payload, long count, double seconds, int threads)
    {
        var clock = Stopwatch.StartNew();
        Exception? failure = null;
        long claimed = 0, sent = 0;
        var all = Enumerable.Range(0, threads).Select(_ => new Thread(() =>
        {
            try
            {
                while (clock.Elapsed.TotalSeconds < seconds)
                {
                    long mine = Math.Min(64, count - (Interlocked.Add(ref claimed, 64) - 64));
                    if (mine <= 0)
                        return;
                    for (long i = 0; i < mine; i++)
                        SendOne();
                    Interlocked.Add(ref sent, mine);
                }
            }
            catch (Exception e)
            {
                failure = e;
            }
        })).ToList();
        all.ForEach(thread => thread.Start());
        all.ForEach(thread => thread.Join());
        if (failure is not null)
            throw failure;
        client.FlushAsync().AsTask().GetAwaiter().GetResult();
        return sent;

        void SendOne()
        {
            if (client.IsThreadSafe)
                Wait(client.SendAsync(payload));
            else
                lock (client)
                    Wait(client.SendAsync(payload));
        }

        static void Wait(ValueTask task)
        {
            if (task.IsCompletedSuccessfully)
                task.GetAwaiter().GetResult();
            else
                task.AsTask().GetAwaiter().GetResult();
        }
    }
}
