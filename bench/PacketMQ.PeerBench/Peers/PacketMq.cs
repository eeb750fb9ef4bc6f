using System.Collections.Concurrent;
using System.Net;
using PacketMQ;

namespace PeerBench.Peers;

/// <summary>PacketMQ with default options, through its public API: opaque payloads as BinaryPacket, the map of W1m as a typed packet.</summary>
public sealed class PacketMq : Peer
{
    private const string Opaque = "bench:opaque", Map = "bench:map";

    public override string Name => _tls ? "packetmq-tls" : _spins ? "packetmq-spin" : "packetmq";
    public override Work Supports => _tls ? Work.W1 : _spins ? Work.W1 | Work.W2 | Work.W2b : Work.W1 | Work.W1m | Work.W2 | Work.W2b | Work.W3 | Work.W4 | Work.Many | Work.Accept;

    private readonly bool _tls;
    private readonly bool _spins;
    private readonly ConcurrentDictionary<Connection, Client> _sharing = [];
    private readonly Lazy<(PacketMQ.Client Peer, BinaryPacket Opaque, Packet<Sample> Map)> _shared;

    public PacketMq(bool tls = false, bool spins = false)
    {
        (_tls, _spins) = (tls, spins);
        _shared = new(() =>
        {
            var opaque = new BinaryPacket((_, context) => _sharing[context.Connection].RepliedAsync());
            var map = new Packet<Sample>();
            return (new PacketMQ.Client(Registry(opaque, map, adapt: true)), opaque, map);
        });
    }

    public override Task<PeerServer> StartServerAsync(int port, Scenario scenario)
    {
        BinaryPacket opaque = null!;
        if (scenario.IsEcho)
        {
            opaque = new BinaryPacket((data, context) => context.Connection.SendAsync(opaque, data));
        }
        else if (scenario.Work == Work.Many)
        {
            opaque = new BinaryPacket((data, _) => scenario.Sink.AddOnThisThread(data.Length));
        }
        else
        {
            var counter = scenario.Sink.CreateCounter(); // one sending connection in W1
            opaque = new BinaryPacket((data, _) => counter.Add(data.Length));
        }

        var server = new PacketMQ.Server(Registry(opaque, new Packet<Sample>((s, _) => scenario.Sink.AddSample(s.I, s.Name, s.X)), adapt: false),
            new PeerOptions { ReceiveSpin = Spin, Tls = _tls ? new TlsOptions { Certificate = new TlsCertificate(BenchCertificate.Create(port)) } : null });
        server.ConnectionMade += (_, _) => scenario.Sink.AddConnection();
        server.Listen(new IPEndPoint(IPAddress.Loopback, port));
        return Task.FromResult<PeerServer>(new Server(server, opaque));
    }

    public override async Task<PeerClient> ConnectAsync(int port, Scenario scenario)
    {
        var client = new Client();
        if (scenario.Work is Work.Many or Work.Accept or Work.W4)
        {
            // Thousands of connections of one process: one client has them all.
            Connection connection = await _shared.Value.Peer.ConnectAsync("127.0.0.1", port);
            client.Start(connection, _shared.Value.Opaque, _shared.Value.Map);
            _sharing[connection] = client;
            return client;
        }

        Sink? sink = scenario.Work == Work.W3 ? scenario.Sink : null;
        var opaque = sink is not null
            ? new BinaryPacket((data, _) => sink.AddOnThisThread(data.Length))
            : new BinaryPacket((_, _) => client.RepliedAsync());
        var map = new Packet<Sample>();
        var peer = new PacketMQ.Client(Registry(opaque, map, adapt: true), new PeerOptions
        {
            ReceiveSpin = Spin,
            Tls = _tls ? new TlsOptions { TrustedRoots = [BenchCertificate.ReadPublicPart(port)], TargetHost = BenchCertificate.HostName } : null,
        });
        client.Start(await peer.ConnectAsync("127.0.0.1", port), opaque, map);
        return client;
    }

    public override async Task<int> FindLargestPayloadAsync()
    {
        var opaque = new BinaryPacket();
        await using var server = new MemoryServer(Registry(new BinaryPacket(), new Packet<Sample>(), adapt: false));
        await using var client = new MemoryClient(Registry(opaque, new Packet<Sample>(), adapt: true));
        Connection connection = await client.ConnectAsync(server);
        int accepted = 0, refused = 2 * 1024 * 1024;
        while (refused - accepted > 1)
        {
            int middle = (accepted + refused) / 2;
            try
            {
                await connection.SendAsync(opaque, new byte[middle]);
                accepted = middle;
            }
            catch (PacketException)
            {
                refused = middle;
            }
        }

        return accepted;
    }

    private TimeSpan Spin => _spins ? TimeSpan.FromMicroseconds(20) : TimeSpan.Zero;

    private static PacketRegistry Registry(BinaryPacket opaque, Packet<Sample> map, bool adapt)
    {
        var registry = new PacketRegistry(adapt);
        registry.AddPacket(Opaque, opaque, 16);
        registry.AddPacket(Map, map, 17);
        return registry;
    }

    private sealed class Server(PacketMQ.Server server, BinaryPacket opaque) : PeerServer
    {
        public override async ValueTask BroadcastAsync(byte[] payload) => await server.BroadcastAsync(opaque, payload);

        public override ValueTask DisposeAsync() => server.DisposeAsync();
    }

    private sealed class Client : PeerClient
    {
        private Connection _connection = null!;
        private BinaryPacket _opaque = null!;
        private Packet<Sample> _map = null!;
        private readonly Sample _sample = new() { Name = "" };
        private TaskCompletionSource? _reply;
        private byte[] _payload = [];
        private int _outstanding; // replies that are still to come in a window
        private int _left; // of them, requests that are not sent yet

        public void Start(Connection connection, BinaryPacket opaque, Packet<Sample> map)
            => (_connection, _opaque, _map) = (connection, opaque, map);

        public override bool IsThreadSafe => true;

        public override ValueTask SendAsync(byte[] payload) => _connection.SendAsync(_opaque, payload);

        public override ValueTask SendSampleAsync(int i, string name, double x)
        {
            (_sample.I, _sample.Name, _sample.X) = (i, name, x);
            return _connection.SendAsync(_map, _sample);
        }

        public override async ValueTask EchoAsync(byte[] payload)
        {
            var reply = _reply = new TaskCompletionSource();
            await _connection.SendAsync(_opaque, payload);
            await reply.Task;
        }

        // Each reply sends the next request from its handler, so that what a batch of replies asks for leaves together.
        public override async Task EchoWindowAsync(byte[] payload, int count, int window)
        {
            int first = Math.Min(count, window);
            (_payload, _outstanding, _left) = (payload, count, count - first);
            var done = _reply = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            for (int i = 0; i < first; i++)
                await _connection.SendAsync(_opaque, payload);
            await done.Task;
        }

        public ValueTask RepliedAsync()
        {
            if (_left > 0)
            {
                _left--;
                _outstanding--;
                return _connection.SendAsync(_opaque, _payload);
            }

            if (_outstanding == 0 || --_outstanding == 0)
                _reply!.SetResult();
            return default;
        }

        public override ValueTask DisposeAsync() => _connection.Peer.DisposeAsync();
    }
}
