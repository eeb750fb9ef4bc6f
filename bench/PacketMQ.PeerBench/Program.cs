using PeerBench;
using PeerBench.Peers;

return await Host.RunAsync(args,
[
    new RawStream(),
    new RawFramed("raw-framed", new HandCodec()),
    new RawFramed("raw-framed-msgpackcs", new MessagePackCsCodec()),
    new RawFramed("raw-framed-nerdbank", new NerdbankCodec()),
    new RawFramed("raw-immediate", new HandCodec(), immediate: true),
    new RawPingPong(blocking: false),
    new RawPingPong(blocking: true),
    new PacketMq(),
    new PacketMq(spins: true),
    new RawTlsFramed(),
    new RawTlsFramed(isAsync: true),
    new PacketMq(tls: true),
    new Kestrel(),
    new NetMq(),
    new SignalR(),
    new GrpcPeer(),
    new StreamJsonRpcPeer(),
    new DotNettyPeer(),
    new LiteNet(),
]);
