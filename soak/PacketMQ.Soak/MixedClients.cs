using System.Net;

namespace PacketMQ.Soak;

/// <summary>Clients of all sorts, in some processes, which come and go while they last. Those of one process encrypt.</summary>
internal sealed class MixedClients(IPEndPoint server, IPEndPoint encrypting, SoakCertificate certificate, int processes, int clients)
{
    private readonly ChildProcess[] _children = new ChildProcess[processes];

    /// <summary>How often one of those that are gone found that something was wrong.</summary>
    public int Complaints { get; private set; }

    public async Task StartAsync()
    {
        for (int i = 0; i < processes; i++)
            _children[i] = await StartAsync(i, i).ConfigureAwait(false);
    }

    /// <summary>Some connections of each process are cut.</summary>
    public void Cut()
    {
        foreach (ChildProcess child in _children)
            child.Tell("cut");
    }

    /// <summary>Kills one of the processes, and begins another in its place.</summary>
    public async Task ReplaceAsync(int number, int seed)
    {
        int place = number % processes;
        await KillAsync(_children[place]).ConfigureAwait(false);
        _children[place] = await StartAsync(place, seed).ConfigureAwait(false);
    }

    /// <summary>Kills them all, and reads what they leave behind.</summary>
    public async Task<Gauge> StopAsync()
    {
        foreach (ChildProcess child in _children)
            await KillAsync(child).ConfigureAwait(false);
        await Task.Delay(20_000).ConfigureAwait(false); // the last time-outs
        return Gauge.ReadSettled();
    }

    private Task<ChildProcess> StartAsync(int place, int seed) => place == 0
        ? ChildProcess.StartAsync("mixed", encrypting, certificate, clients / processes, seed)
        : ChildProcess.StartAsync("mixed", server, clients / processes, seed);

    private async Task KillAsync(ChildProcess child)
    {
        Complaints += child.Complaints;
        await child.KillAsync().ConfigureAwait(false);
        child.Dispose();
    }
}
