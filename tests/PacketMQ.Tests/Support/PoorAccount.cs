using Microsoft.Extensions.Logging.Abstractions;
using PacketMQ.Connections;

namespace PacketMQ.Tests.Support;

/// <summary>A buffer account that finds no memory when a test says so.</summary>
internal sealed class PoorAccount()
    : BufferAccount(new BufferBudget(null, new RepeatedLog(NullLogger.Instance, TimeProvider.System), NullLogger.Instance), new Nobody())
{
    public bool IsPoor { get; set; }

    public override byte[] Rent(int minimumLength) => IsPoor ? throw new OutOfMemoryException() : base.Rent(minimumLength);

    private sealed class Nobody : IBufferOwner
    {
        void IBufferOwner.Evict()
        {
        }
    }
}
