using System.Collections.Concurrent;
using System.Globalization;
using Microsoft.Extensions.Logging;

namespace PacketMQ.Tool.Output;

/// <summary>
/// The library's log, as far as nothing else tells it: that connections are turned away, that accepting fails, and that others can read what
/// is sent. One line each on standard error. (What happens to a connection is reported as an event.)
/// </summary>
internal sealed class ErrorLog(TextWriter error) : ILoggerFactory, ILogger
{
    private const int RefusedId = 103;
    private const int RepeatedId = 110;

    private static readonly int[] Told = [108, RepeatedId, 111, 112];

    // The library's own words for these name its options, not the command's.
    private static readonly Dictionary<int, string> Reworded = new()
    {
        [115] = "This is plain text: whoever is on the network can read and change everything, and come in. Use --tls-cert and --tls-key.",
        [116] = "This is plain text: whoever is on the network can read and change everything. Use --tls if the server has it.",
    };

    private readonly ConcurrentDictionary<long, bool> _refused = new();

    /// <summary>
    /// Whether the refusal of this connection was news to the log, asked once. The others of a second are a count on standard error:
    /// strangers can be refused as often as they like.
    /// </summary>
    public bool TakeRefusal(long connectionId) => _refused.TryRemove(connectionId, out _);

    public ILogger CreateLogger(string categoryName) => this;

    public void AddProvider(ILoggerProvider provider) => throw new NotSupportedException();

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull
        => null;

    public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Warning;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (eventId.Id == RefusedId)
        {
            _refused.TryAdd(Convert.ToInt64(Value(state, "ConnectionId"), CultureInfo.InvariantCulture), true);
            return;
        }

        if (!Reworded.TryGetValue(eventId.Id, out string? text))
        {
            if (!Told.Contains(eventId.Id))
                return;
            text = eventId.Id == RepeatedId && Value(state, "RepeatedEventId") is RefusedId
                ? $"{Value(state, "Count")} more connections were refused like the last one ({Value(state, "Kind")})."
                : formatter(state, exception) + (exception is null ? "" : $" {exception.Message}.");
        }

        lock (error)
            error.WriteLine(Sentence.OnOneLine(text));
    }

    public void Dispose()
    {
    }

    private static object? Value<TState>(TState state, string name)
        => (state as IReadOnlyList<KeyValuePair<string, object?>>)?.FirstOrDefault(value => value.Key == name).Value;
}
