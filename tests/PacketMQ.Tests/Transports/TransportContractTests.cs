using System.IO.Pipelines;
using System.Net;
using System.Net.Sockets;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Transports;

/// <summary>Alone, because the contract counts what the process allocates.</summary>
[CollectionDefinition(nameof(TransportContractTests), DisableParallelization = true)]
public sealed class TransportContractTests;

[Collection(nameof(TransportContractTests))]
public sealed class TcpOverIPv4Tests : TransportContract
{
    private protected override ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync()
        => SocketPair.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 0));
}

[Collection(nameof(TransportContractTests))]
public sealed class TcpOverIPv6Tests : TransportContract
{
    private protected override ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync()
    {
        Assert.SkipUnless(Socket.OSSupportsIPv6, "There is no IPv6 here.");
        return SocketPair.ConnectAsync(new IPEndPoint(IPAddress.IPv6Loopback, 0));
    }
}

[Collection(nameof(TransportContractTests))]
public sealed class UnixSocketTests : TransportContract
{
    private protected override bool AbortIsAnErrorOnTheOtherSide => false;

    private protected override ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync()
        => SocketPair.ConnectAsync(new UnixDomainSocketEndPoint(SocketPair.NewUnixPath()));
}

[Collection(nameof(TransportContractTests))]
public sealed class TlsOverTcpTests : TransportContract
{
    private protected override ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync()
        => TestTls.ConnectAsync(new IPEndPoint(IPAddress.Loopback, 0));
}

[Collection(nameof(TransportContractTests))]
public sealed class TlsOverUnixSocketTests : TransportContract
{
    private protected override bool AbortIsAnErrorOnTheOtherSide => false;

    private protected override ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync()
        => TestTls.ConnectAsync(new UnixDomainSocketEndPoint(SocketPair.NewUnixPath()));
}

[Collection(nameof(TransportContractTests))]
public sealed class MemoryTests : TransportContract
{
    private protected override ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync()
        => new(MemoryConnection.CreatePair());
}

[Collection(nameof(TransportContractTests))]
public sealed class UserPipeTests : TransportContract
{
    private protected override ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync()
    {
        var there = new Pipe();
        var back = new Pipe();
        return new((new PipeConnection(new Halves(back.Reader, there.Writer)),
            new PipeConnection(new Halves(there.Reader, back.Writer))));
    }

    private sealed record Halves(PipeReader Input, PipeWriter Output) : IDuplexPipe;
}

[Collection(nameof(TransportContractTests))]
public sealed class UserStreamTests : TransportContract
{
    private protected override bool AbortIsAnErrorOnTheOtherSide => false;

    private protected override bool KeepsTheRestOfACancelledWrite => false;

    private protected override bool AllocatesPerMessage => true;

    private protected override async ValueTask<(TransportConnection Left, TransportConnection Right)> ConnectAsync()
    {
        (Socket left, Socket right) = await SocketPair.ConnectSocketsAsync();
        return (new PipeConnection(new StreamHalves(left)), new PipeConnection(new StreamHalves(right)));
    }

    /// <summary>What a user would build: pipes over the two halves of a network stream.</summary>
    private sealed class StreamHalves(Socket socket) : IDuplexPipe, IDisposable
    {
        public PipeReader Input { get; } = PipeReader.Create(new NetworkStream(socket, ownsSocket: true));

        public PipeWriter Output { get; } = PipeWriter.Create(new SendingHalf(socket));

        public void Dispose() => socket.Dispose();
    }

    private sealed class SendingHalf(Socket socket) : NetworkStream(socket, ownsSocket: false)
    {
        protected override void Dispose(bool disposing)
        {
            if (Socket.Connected)
                Socket.Shutdown(SocketShutdown.Send);
            base.Dispose(disposing);
        }
    }
}
