namespace PacketMQ.Tool.Bench;

/// <summary>The measurements, one after another, over connections that are made already.</summary>
/// <param name="settings">What is measured.</param>
/// <param name="connections">All take part.</param>
/// <param name="report">Is told how it goes.</param>
/// <param name="clock">The clock.</param>
internal sealed class BenchRun(BenchSettings settings, IReadOnlyList<BenchConnection> connections, BenchReport report, TimeProvider clock)
{
    private static readonly TimeSpan Tick = TimeSpan.FromSeconds(0.1);
    private static readonly TimeSpan LongestDrain = TimeSpan.FromSeconds(2);

    /// <summary>Measures.</summary>
    /// <param name="results">Takes each result as soon as it is there.</param>
    /// <param name="interruption">Ends it; what was measured so far counts.</param>
    public async Task RunAsync(BenchResults results, CancellationToken interruption)
    {
        report.OneWayBegins();
        foreach (int size in settings.Sizes)
        {
            if (!interruption.IsCancellationRequested && await MeasureOneWayAsync(size, interruption) is { } result)
            {
                results.OneWay.Add(result);
                report.OneWay(result);
            }
        }

        if (interruption.IsCancellationRequested)
            return;
        report.RoundTripsBegin(settings.EchoSize);
        if ((results.OneAtATime = await MeasureEchoAsync(1, interruption)) is { } single)
            report.RoundTrips(single);
        if (interruption.IsCancellationRequested)
            return;
        if ((results.Pipelined = await MeasureEchoAsync(settings.EffectiveWindow, interruption)) is { } pipelined)
            report.RoundTrips(pipelined);
        results.IsComplete = !interruption.IsCancellationRequested;
    }

    /// <summary>Sends on all connections at once, and asks the server how much has come between two moments of the streams.</summary>
    private async Task<OneWayResult?> MeasureOneWayAsync(int size, CancellationToken interruption)
    {
        byte[] payload = CreatePayload(size);
        using var stop = new CancellationTokenSource();
        Task[] senders = [.. connections.Select(connection => Task.Run(() => connection.SendAsync(payload, stop.Token), CancellationToken.None))];
        BenchCount[]? first = null, last = null;
        try
        {
            report.OneWayProgress(size, 0, null);
            await PauseAsync(settings.WarmUp, interruption);
            long begin = clock.GetTimestamp();
            while (!interruption.IsCancellationRequested && clock.GetElapsedTime(begin) is var elapsed && elapsed < settings.Duration)
            {
                last = await CountAsync(interruption);
                first ??= last;
                report.OneWayProgress(size, elapsed / settings.Duration, Difference(size, first, last));
                TimeSpan left = settings.Duration - clock.GetElapsedTime(begin);
                await PauseAsync(left < Tick ? left : Tick, interruption);
            }
        }
        catch (OperationCanceledException) when (interruption.IsCancellationRequested)
        {
            // What was counted before stands.
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(senders).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        await Task.WhenAll(senders);
        if (first is not null)
            last = await CountTheRestAsync(interruption) ?? last;
        return first is null ? null : Difference(size, first, last!);
    }

    /// <summary>The count behind everything that was sent; null if the user does not want to wait for it.</summary>
    private async Task<BenchCount[]?> CountTheRestAsync(CancellationToken interruption)
    {
        using var impatience = new CancellationTokenSource(Timeout.InfiniteTimeSpan, clock);
        using CancellationTokenRegistration registration = interruption.Register(() => impatience.CancelAfter(LongestDrain));
        try
        {
            BenchCount[] counts = await CountAsync(impatience.Token);
            (long counted, long sent) = (counts.Sum(one => one.Messages), connections.Sum(connection => connection.SentMessages));
            return counted == sent
                ? counts
                : throw new CommandException(ExitCode.Failure, $"The server counted {counted} messages, but {sent} were sent.");
        }
        catch (OperationCanceledException) when (interruption.IsCancellationRequested)
        {
            return null;
        }
    }

    private Task<BenchCount[]> CountAsync(CancellationToken cancellationToken)
        => Task.WhenAll(connections.Select(connection => connection.CountAsync(cancellationToken)));

    /// <summary>All that came, in the whole time from the first to the last of the counts: never more than there was.</summary>
    private static OneWayResult? Difference(int size, BenchCount[] first, BenchCount[] last)
    {
        double seconds = last.Max(count => count.Seconds) - first.Min(count => count.Seconds);
        long messages = last.Sum(count => count.Messages) - first.Sum(count => count.Messages);
        long bytes = last.Sum(count => count.Bytes) - first.Sum(count => count.Bytes);
        return seconds > 0 && messages > 0 ? new OneWayResult(size, messages, bytes, seconds) : null;
    }

    private async Task<EchoResult?> MeasureEchoAsync(int window, CancellationToken interruption)
    {
        byte[] payload = CreatePayload(settings.EchoSize);
        long from = clock.GetTimestamp() + ToTicks(settings.WarmUp);
        long until = from + ToTicks(settings.Duration);
        EchoLoad[] loads = [.. connections.Select(_ => new EchoLoad(clock, payload.Length, window, from, until))];
        foreach ((BenchConnection connection, EchoLoad load) in connections.Zip(loads))
            await connection.BeginAsync(load, payload);
        Task ended = Task.WhenAny([Task.WhenAll(loads.Select(load => load.Ended)), .. connections.Select(connection => connection.Closed)]);
        while (!ended.IsCompleted && !interruption.IsCancellationRequested && clock.GetTimestamp() is var now && now < until)
        {
            report.RoundTripsProgress(window, Math.Max(0, (double)(now - from) / (until - from)), now < from ? null : Result(now));
            await Task.WhenAny(ended, PauseAsync(Tick, interruption));
        }

        long end = Math.Min(clock.GetTimestamp(), until);
        foreach (EchoLoad load in loads)
            load.Stop(end);
        await Task.WhenAll(connections.Zip(loads, (connection, load) => connection.UnlessLostAsync(load.Ended, CancellationToken.None)));
        return end > from && Result(end) is { Latency.Count: > 0 } result ? result : null;

        EchoResult Result(long now)
        {
            var all = new LatencyHistogram();
            foreach (EchoLoad load in loads)
                all.Add(load.Latency);
            return new EchoResult(payload.Length, window, clock.GetElapsedTime(from, now).TotalSeconds, all);
        }
    }

    private async Task PauseAsync(TimeSpan time, CancellationToken interruption)
    {
        if (time > TimeSpan.Zero)
            await Task.Delay(time, clock, interruption).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private long ToTicks(TimeSpan time) => (long)(time.TotalSeconds * clock.TimestampFrequency);

    private static byte[] CreatePayload(int size)
    {
        byte[] payload = new byte[size];
        new Random(1).NextBytes(payload);
        return payload;
    }
}
