using Microsoft.Extensions.Logging.Abstractions;
using PacketMQ.Connections;

namespace PacketMQ.Tests.Support;

/// <summary>Buffer accounts for tests of something else.</summary>
internal static class Accounts
{
    public static BufferAccount New()
        => new(new BufferBudget(null, new RepeatedLog(NullLogger.Instance, TimeProvider.System), NullLogger.Instance), () => { });
}
