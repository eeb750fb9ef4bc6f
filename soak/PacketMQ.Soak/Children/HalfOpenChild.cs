using System.Diagnostics;
using System.Globalization;

namespace PacketMQ.Soak.Children;

/// <summary>
/// A network of its own with pairs of a server and a client in it. All that goes one way, or both, is dropped where it arrives; what each side
/// then makes of it, and after how long.
/// </summary>
internal static class HalfOpenChild
{
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    private static readonly (string Name, bool ToServer, bool ToClient)[] Cuts =
    [
        ("both directions dropped", true, true),
        ("what goes to the server dropped", true, false),
        ("what goes to the client dropped", false, true),
    ];

    private static readonly (string Name, bool ServerSpeaks, bool ClientSpeaks)[] Habits =
    [
        ("both silent", false, false),
        ("the client sends", false, true),
        ("the server sends", true, false),
        ("both send", true, true),
    ];

    public static async Task RunAsync()
    {
        await OwnNetwork.DoAsync("ip", "link", "set", "lo", "up").ConfigureAwait(false);
        await OwnNetwork.DoAsync("nft", "add table inet soak; add chain inet soak input { type filter hook input priority 0; policy accept; }").ConfigureAwait(false);
        Child.Answer("ready");
        await Child.CommandAsync().ConfigureAwait(false);
        string[] rows = await Task.WhenAll(Cuts.SelectMany(cut => Habits.Select(habit => TryAsync(cut, habit)))).ConfigureAwait(false);
        Child.Answer($"{rows.Length}");
        foreach (string row in rows)
        {
            await Child.CommandAsync().ConfigureAwait(false);
            Child.Answer(row);
        }
    }

    private static async Task<string> TryAsync((string Name, bool ToServer, bool ToClient) cut, (string Name, bool ServerSpeaks, bool ClientSpeaks) habit)
    {
        await using var server = new SoakServer();
        await using Client client = Child.NewClient();
        Connection here = await client.ConnectAsync(server.EndPoint).ConfigureAwait(false);
        while (server.Peer.Connections.Length == 0)
            await Task.Delay(10).ConfigureAwait(false);
        Connection there = server.Peer.Connections[0];
        Task talking = Task.WhenAll(TalkAsync(there, habit.ServerSpeaks), TalkAsync(here, habit.ClientSpeaks));
        await Task.Delay(3_000).ConfigureAwait(false);

        int port = server.EndPoint.Port;
        string[] rules =
        [
            .. cut.ToServer ? [$"add rule inet soak input tcp dport {port} drop"] : Array.Empty<string>(),
            .. cut.ToClient ? [$"add rule inet soak input tcp sport {port} drop"] : Array.Empty<string>(),
        ];
        await OwnNetwork.DoAsync("nft", string.Join("; ", rules)).ConfigureAwait(false);
        long begun = Stopwatch.GetTimestamp();
        string[] ends = await Task.WhenAll(EndAsync(there, begun), EndAsync(here, begun)).ConfigureAwait(false);
        here.Abort();
        there.Abort();
        await talking.ConfigureAwait(false);
        return string.Join('|', cut.Name, habit.Name, ends[0], ends[1]);
    }

    private static async Task TalkAsync(Connection connection, bool isTalkative)
    {
        try
        {
            for (int i = 0; isTalkative; i++)
            {
                await connection.SendAsync(Traffic.SinkName, i).ConfigureAwait(false);
                await Task.Delay(1_000, connection.Closing).ConfigureAwait(false);
            }
        }
        catch (Exception exception) when (exception is ConnectionClosedException or OperationCanceledException)
        {
            // Noticed.
        }
    }

    private static async Task<string> EndAsync(Connection connection, long begun)
    {
        try
        {
            CloseInfo info = await connection.Closed.WaitAsync(Patience).ConfigureAwait(false);
            return string.Create(CultureInfo.InvariantCulture, $"{Stopwatch.GetElapsedTime(begun).TotalSeconds:0.0}|{info.Reason.Name} ({info.Initiator}): {info.Description}");
        }
        catch (TimeoutException)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{Patience.TotalSeconds:0.0}|nothing: it goes on");
        }
    }
}
