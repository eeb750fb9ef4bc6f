namespace PeerBench;

/// <summary>The two child processes of one run.</summary>
public sealed class AgentPair : IDisposable
{
    private AgentPair(AgentProcess server, AgentProcess client) => (Server, Client) = (server, client);

    public AgentProcess Server { get; }
    public AgentProcess Client { get; }

    public static async Task<AgentPair> StartAsync(Candidate peer, Work work, int payload, int connections)
    {
        int port = AgentProcess.FreePort();
        var pair = new AgentPair(new AgentProcess(peer, "server", work, payload, port), new AgentProcess(peer, "client", work, payload, port));
        try
        {
            await pair.Server.ReadAsync();
            await pair.Client.ReadAsync();
            await pair.Client.AskAsync($"connect {connections}");
            return pair;
        }
        catch
        {
            pair.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        Client.Dispose();
        Server.Dispose();
    }
}
