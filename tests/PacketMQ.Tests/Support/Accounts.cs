using Microsoft.Extensions.Logging.Abstractions;
using PacketMQ.Connections;

namespace PacketMQ.Tests.Support;

/// <summary>Buffer accounts for tests of something else.</summary>
internal static class Accounts
{
    public static BufferAccount New()
        => New(new BufferBudget(null, new RepeatedLog(NullLogger.Instance, TimeProvider.System), NullLogger.Instance), () => { });

    public static BufferAccount New(BufferBudget budget, Action evict) => new(budget, new Owner(evict));

    private sealed class Owner(Action evict) : IBufferOwner
    {
        void IBufferOwner.Evict() => evict();
    }
}
