using System.Net;
using System.Net.Sockets;
using PacketMQ.Tests.Support;

namespace PacketMQ.Tests.Faults;

/// <summary>A server on TCP with many clients that ask it for answers, and whoever else a test brings along.</summary>
internal sealed class Crowd : IAsyncDisposable
{
    public const string AskName = "test:ask";

    private readonly Client _client;
    private readonly CancellationTokenSource _stopping = new();
    private readonly List<long> _times = [];
    private Task _asking = Task.CompletedTask;
    private List<Member> _members = [];

    public Crowd(Packet packet, PeerOptions? options = null)
    {
        Server = new Server(
            Registries.Server((Registries.Name, packet), (AskName, Packet.Create((data, context) => context.ReplyAsync(AskName, data)))), options);
        _client = new Client(Registries.Client((Registries.Name, Registries.Sink()), (AskName, Packet.Create((data, context) =>
            _members[(int)(long)((object?[])data!)[0]!].Answer((long)((object?[])data)[1]!)))));
        Events = new EventLedger(Server);
        EndPoint = Server.Listen(new IPEndPoint(IPAddress.Loopback, 0));
    }

    public Server Server { get; }

    public EndPoint EndPoint { get; }

    public EventLedger Events { get; }

    /// <summary>Connects the members, and lets each ask one question after the other from now on.</summary>
    public async Task StartAsync(int count)
    {
        _members = [.. await Task.WhenAll(Enumerable.Range(0, count).Select(async i => new Member(i, await _client.ConnectAsync(EndPoint).Soon())))];
        _asking = Task.WhenAll(_members.Select(member => Task.Run(() => member.AskAsync(_times, _stopping.Token))));
    }

    /// <summary>Each has been answered so many times more: the server lives, and nobody else is in the way.</summary>
    public async Task AreAnsweredAsync(int times)
    {
        long[] before = [.. _members.Select(member => member.Answers)];
        await Bounded.UntilAsync(() => _members.Select((member, i) => member.Answers >= before[i] + times).All(answered => answered));
    }

    /// <summary>Stops asking: nobody was closed, and how long 99 of 100 answers took at most.</summary>
    public async Task<TimeSpan> StopAsync()
    {
        await _stopping.CancelAsync();
        await _asking.Soon();
        Assert.All(_members, member => Assert.Equal(ConnectionState.Active, member.Connection.State));
        _times.Sort();
        return TimeProvider.System.GetElapsedTime(0, _times[_times.Count * 99 / 100]);
    }

    public async Task<Socket> OpenSocketAsync()
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        await socket.ConnectAsync(EndPoint).Soon();
        return socket;
    }

    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();
        await Task.WhenAll(_client.StopAsync(), Server.StopAsync()).Soon();
        await _asking.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stopping.Dispose();
    }

    private sealed class Member(int number, Connection connection)
    {
        private TaskCompletionSource<long> _answer = new();

        public Connection Connection => connection;

        public long Answers { get; private set; }

        public void Answer(long question) => _answer.TrySetResult(question);

        public async Task AskAsync(List<long> times, CancellationToken stopping)
        {
            while (!stopping.IsCancellationRequested)
            {
                _answer = new TaskCompletionSource<long>(TaskCreationOptions.RunContinuationsAsynchronously);
                long begun = TimeProvider.System.GetTimestamp();
                await connection.SendAsync(AskName, new object[] { number, Answers }, CancellationToken.None);
                Assert.Equal(Answers, await _answer.Task.Soon());
                Answers++;
                lock (times)
                    times.Add(TimeProvider.System.GetTimestamp() - begun);
            }
        }
    }
}
