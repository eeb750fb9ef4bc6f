using System.Net;
using System.Net.Sockets;
using Microsoft.Extensions.Logging.Testing;
using PacketMQ.Connections;
using PacketMQ.Tests.Support;
using PacketMQ.Transports;

namespace PacketMQ.Tests.Connections;

/// <summary>Accepting goes on, whatever the system says. (For real, with few open files: the tests of the command.)</summary>
public sealed class AcceptorTests
{
    [Fact]
    public async Task A_failing_listener_is_tried_again_more_and_more_slowly_with_one_line_a_second_and_recovers()
    {
        int[] pauses = [10, 20, 40, 80, 160, 320, 640, 1_000, 1_000, 1_000];
        var time = new WatchedTime();
        var logs = new FakeLogCollector();
        var begun = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int attempts = 0;
        Task pausing = time.NextTimerAsync(TimeSpan.FromMilliseconds(pauses[0]));
        await using var acceptor = new Acceptor(
            new IPEndPoint(IPAddress.Loopback, 1), AcceptAsync, new MemoryStream(), _ =>
            {
                begun.TrySetResult();
                return null;
            },
            time, new FakeLogger(logs));

        for (int i = 0; i < pauses.Length; i++)
        {
            await pausing;
            Assert.Equal(i + 1, Volatile.Read(ref attempts));
            pausing = i + 1 < pauses.Length ? time.NextTimerAsync(TimeSpan.FromMilliseconds(pauses[i + 1])) : begun.Task.Soon();
            time.Advance(TimeSpan.FromMilliseconds(pauses[i]));
        }

        // At 0, 1.27, 2.27 and 3.27 s.
        await pausing;
        Assert.Equal(4, logs.GetSnapshot().Count(record => record.Id.Id == 108));

        async ValueTask<TransportConnection> AcceptAsync(CancellationToken cancellationToken)
        {
            int attempt = Interlocked.Increment(ref attempts);
            if (attempt <= pauses.Length)
                throw new SocketException((int)SocketError.TooManyOpenSockets);
            if (attempt > pauses.Length + 1)
                await Task.Delay(Timeout.Infinite, cancellationToken);
            return MemoryConnection.CreatePair().First;
        }
    }
}
