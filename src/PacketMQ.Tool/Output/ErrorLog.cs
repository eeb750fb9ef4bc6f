using Microsoft.Extensions.Logging;

namespace PacketMQ.Tool.Output;

/// <summary>
/// The library's log, as far as nothing else tells it: that connections are turned away, and that accepting fails. One line each on standard
/// error. (What happens to a connection is reported as an event.)
/// </summary>
internal sealed class ErrorLog(TextWriter error) : ILoggerFactory, ILogger
{
    private static readonly int[] Told = [108, 110, 111, 112];

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (!Told.Contains(eventId.Id))
            return;
        string cause = exception is null ? "" : $" {exception.Message}.";
        lock (error)
            error.WriteLine(Sentence.OnOneLine(formatter(state, exception) + cause));
    }

    public void Dispose()
    {
    }
}
