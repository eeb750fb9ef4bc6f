using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Testing;

namespace PacketMQ.Tests.Support;

/// <summary>Keeps all that a peer logs.</summary>
internal sealed class Journal(FakeLogCollector collector) : ILoggerFactory
{
    public ILogger CreateLogger(string categoryName) => new FakeLogger(collector, categoryName);

    public void AddProvider(ILoggerProvider provider)
    {
    }

    public void Dispose()
    {
    }
}
