using System.Collections.Immutable;
using System.CommandLine;
using System.Globalization;
using PacketMQ.Tool.Json;
using PacketMQ.Tool.Output;

namespace PacketMQ.Tool;

/// <summary><c>packetmq send</c>: sends one value and prints what comes back.</summary>
internal static class SendCommand
{
    private const double MaxTimeoutSeconds = 86_400;

    private static readonly TimeSpan LongestGoodbye = TimeSpan.FromSeconds(5);

    /// <summary>Makes the command.</summary>
    public static Command Create(Surroundings surroundings, Option<bool> json)
    {
        Argument<ServerAddress> address = ServerAddress.CreateArgument();
        var name = new Argument<string>("NAME") { Description = "The packet to send; the server has to have it." };
        var value = new Argument<string>("VALUE") { Description = "The value as JSON, or - to read it from standard input. " + ValueReader.Description };
        var expect = new Option<int>("--expect")
        {
            Description = "Waits for this many packets from the server and prints each as NAME VALUE.",
            HelpName = "N",
            DefaultValueFactory = _ => 0,
            CustomParser = result => result.Read(ParseCount),
        };
        var timeout = new Option<TimeSpan>("--timeout")
        {
            Description = "Gives up when everything together takes longer than this many seconds. [default: 10]",
            HelpName = "S",
            CustomParser = result => result.Read(ParseTimeout),
        };
        var tls = new ClientTls();
        var command = new Command(
            "send",
            "Sends a value to a server and prints what comes back. Exit codes: 2 wrong usage, 3 refused, closed or no such packet, 4 time-out.")
        {
            address, name, value, expect, timeout, tls.Switch, tls.Roots, tls.Certificate, tls.Key, tls.Name,
        };
        command.SetAction(async (parsed, _) =>
        {
            bool isJson = parsed.GetValue(json);
            TimeSpan limit = parsed.GetValue(timeout) is { Ticks: > 0 } given ? given : TimeSpan.FromSeconds(10);
            object? data = await ReadValueAsync(parsed.GetRequiredValue(value), surroundings.Input);
            return await RunAsync(
                parsed.GetRequiredValue(address), parsed.GetRequiredValue(name), data, parsed.GetValue(expect), limit,
                tls.Read(parsed, parsed.GetRequiredValue(address)),
                Report.ForVisitor(surroundings, isJson, announces: false), surroundings);
        });
        return command;
    }

    private static async Task<int> RunAsync(
        ServerAddress address, string name, object? value, int expected, TimeSpan limit, TlsOptions? tls, Report report, Surroundings surroundings)
    {
        using var timeout = new CancellationTokenSource(limit, surroundings.TimeProvider);
        var allReceived = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        int received = 0;
        if (expected == 0)
            allReceived.SetResult();
        // The own time-out is to be the first one, whatever the user has chosen.
        var options = new PeerOptions
        {
            Tls = tls,
            TimeProvider = surroundings.TimeProvider,
            LoggerFactory = new ErrorLog(surroundings.Error),
            HandshakeTimeout = limit + TimeSpan.FromMinutes(1),
            CloseTimeout = limit < LongestGoodbye ? limit : LongestGoodbye,
        };
        try
        {
            await using Visit visit = await Visit.BeginAsync(address, report, Receive, options, timeout.Token);
            if (!visit.Connection.CanSend(name))
                throw new CommandException(ExitCode.Refused, WithoutPacket(name, visit.Connection.PeerPacketNames));
            await visit.Connection.SendAsync(name, value, timeout.Token);
            report.Sent(visit.Connection, name, value);
            await Task.WhenAny(allReceived.Task, visit.Connection.Closed).WaitAsync(timeout.Token);
            if (!allReceived.Task.IsCompleted)
                throw new ConnectionClosedException(await visit.Connection.Closed);
            await visit.Connection.SoftQuitAsync();
            return ExitCode.Success;
        }
        catch (OperationCanceledException) when (timeout.IsCancellationRequested)
        {
            string seconds = limit.TotalSeconds.ToString("0.###", CultureInfo.InvariantCulture);
            throw new CommandException(
                ExitCode.TimedOut, $"The time of {seconds} s was up when {Volatile.Read(ref received)} of {expected} packets had come back from {address}.");
        }

        // Called for one packet at a time.
        void Receive(object? data, PacketContext context)
        {
            if (received >= expected)
                return;
            report.Received(context.Connection, context.PacketName, data);
            if (++received == expected)
                allReceived.TrySetResult();
        }
    }

    private static async Task<object?> ReadValueAsync(string text, Stream input)
    {
        try
        {
            return text == "-" ? await ValueReader.ReadAsync(input) : ValueReader.Read(text);
        }
        catch (FormatException exception)
        {
            throw new CommandException(ExitCode.Usage, exception.Message);
        }
    }

    private static string WithoutPacket(string name, ImmutableArray<string> names) => names.IsEmpty
        ? $"The server does not have the packet '{name}'; it has none."
        : $"The server does not have the packet '{name}'; it has {Sentence.List(names)}.";

    private static int ParseCount(string text)
        => int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count)
            ? count
            : throw new FormatException($"The number of expected packets '{text}' is not a number from 0 to {int.MaxValue}.");

    private static TimeSpan ParseTimeout(string text)
        => double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds)
            && seconds is >= 0.001 and <= MaxTimeoutSeconds
            ? TimeSpan.FromSeconds(seconds)
            : throw new FormatException($"The time-out '{text}' is not a number of seconds from 0.001 to {MaxTimeoutSeconds}.");
}
